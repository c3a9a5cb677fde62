//! The guest side of ov's scanner ABI for Rust, without std: one file, used as a
//! module. ../ABI.md is the contract in bytes.
//!
//!     rustc --target wasm32-unknown-unknown -O --crate-type cdylib -C panic=abort -o my.wasm my.rs
#![allow(dead_code)]

use core::ptr::{addr_of, addr_of_mut};

/// What a scanner is shown.
pub struct Window<'a> {
    pub bytes: &'a [u8],
    /// Index, in the manifest, of the rule whose keyword was seen.
    pub rule: u16,
    /// The stream begins here; in stream mode only.
    pub begin: bool,
    /// Nothing comes after it.
    pub end: bool,
}

pub const INFO: u8 = 0;
pub const LOW: u8 = 1;
pub const MEDIUM: u8 = 2;
pub const HIGH: u8 = 3;
pub const CRITICAL: u8 = 4;

/// A finding as it lies in the output buffer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Span {
    pub offset: u32,
    pub length: u32,
    pub rule: u16,
    pub severity: u8,
    /// 0 to 100.
    pub confidence: u8,
    /// OPEN: mask on, until the rule's `until`.
    pub flags: u32,
}

pub const OPEN: u32 = 1;
pub const MAX_WINDOW: usize = 64 << 10;
pub const MAX_SPANS: usize = 4 << 10;
const NONE: Span = Span { offset: 0, length: 0, rule: 0, severity: 0, confidence: 0, flags: 0 };

static mut INPUT: [u8; MAX_WINDOW] = [0; MAX_WINDOW];
static mut OUTPUT: [Span; MAX_SPANS] = [NONE; MAX_SPANS];
static mut MOST: usize = 0;

/// Takes the findings of one window.
pub struct Found {
    count: usize,
    rule: u16,
}

impl Found {
    /// Reports bytes[start..end] as a finding of the window's rule.
    pub fn add(&mut self, start: usize, end: usize) {
        self.put(Span { offset: start as u32, length: (end - start) as u32, rule: self.rule, severity: HIGH, confidence: 90, flags: 0 })
    }

    /// Reports a finding with all its fields.
    pub fn put(&mut self, s: Span) {
        unsafe {
            if self.count < MOST {
                *(addr_of_mut!(OUTPUT) as *mut Span).add(self.count) = s;
            }
        }
        self.count += 1;
    }
}

/// Runs f over the window in the input buffer. scanner! calls it.
pub fn serve(len: u32, flags: u32, f: fn(&Window, &mut Found)) -> i32 {
    let bytes = unsafe { core::slice::from_raw_parts(addr_of!(INPUT) as *const u8, len as usize) };
    let w = Window { bytes, rule: (flags >> 8 & 0xff) as u16, begin: flags & 1 != 0, end: flags & 2 != 0 };
    let mut found = Found { count: 0, rule: w.rule };
    f(&w, &mut found);
    if found.count > unsafe { MOST } {
        return -2;
    }
    found.count as i32
}

#[no_mangle]
pub extern "C" fn ov_abi_v1() {}

#[no_mangle]
pub extern "C" fn ov_bufs(in_cap: u32, out_cap: u32) -> i64 {
    assert!(in_cap as usize <= MAX_WINDOW && out_cap as usize <= MAX_SPANS * 16);
    unsafe {
        MOST = out_cap as usize / 16;
        (addr_of!(INPUT) as usize as i64) << 32 | addr_of!(OUTPUT) as usize as i64
    }
}

/// Makes a function the module's scanner.
#[macro_export]
macro_rules! scanner {
    ($f:path) => {
        #[no_mangle]
        pub extern "C" fn ov_scan(len: u32, flags: u32) -> i32 {
            ov_scanner::serve(len, flags, $f)
        }
    };
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

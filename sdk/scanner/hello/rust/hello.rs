// A scanner in Rust: acme_ and 32 hex digits.
#![no_std]
#[macro_use]
#[path = "../../rust/ov_scanner.rs"]
mod ov_scanner;
use ov_scanner::{Found, Window};

fn scan(w: &Window, found: &mut Found) {
    for (i, b) in w.bytes.windows(37).enumerate() {
        if b.starts_with(b"acme_") && b[5..].iter().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')) {
            found.add(i, i + 37);
        }
    }
}
scanner!(scan);

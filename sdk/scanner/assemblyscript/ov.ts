// The guest side of ov's scanner ABI for AssemblyScript. ../ABI.md is the
// contract in bytes. Export its functions from your entry file and call serve:
//
//   asc my.ts -O --runtime stub --exportStart _initialize --use abort= -o my.wasm

/** What a scanner is shown. Read bytes with load<u8>(w.at + i). */
@unmanaged export class Window {
  at: usize;
  length: u32;
  rule: u32; // index, in the manifest, of the rule whose keyword was seen
  begin: bool; // of the stream; in stream mode only
  end: bool; // nothing comes after it
}

export const INFO: u8 = 0, LOW: u8 = 1, MEDIUM: u8 = 2, HIGH: u8 = 3, CRITICAL: u8 = 4;
export const OPEN: u32 = 1; // mask on, until the rule's `until`

const MAX_WINDOW = 64 << 10;
const MAX_SPANS = 4 << 10;

const input = memory.data(MAX_WINDOW, 16);
const output = memory.data(MAX_SPANS * 16, 16);
const view = changetype<Window>(memory.data(offsetof<Window>(), 16));
let most: u32 = 0;
let spans: u32 = 0;
let scanner: ((w: Window) => void) | null = null;

/** Makes f the module's scanner. It depends on the window alone. */
export function serve(f: (w: Window) => void): void {
  scanner = f;
}

/** Reports a finding with all its fields; confidence is 0 to 100. */
export function put(start: u32, end: u32, rule: u32, severity: u8, confidence: u8, flags: u32): void {
  if (spans < most) {
    const p = output + <usize>spans * 16;
    store<u32>(p, start);
    store<u32>(p, end - start, 4);
    store<u16>(p, <u16>rule, 8);
    store<u8>(p, severity, 10);
    store<u8>(p, confidence, 11);
    store<u32>(p, flags, 12);
  }
  spans++;
}

/** Reports [start, end) as a finding of the window's rule. */
export function found(w: Window, start: u32, end: u32): void {
  put(start, end, w.rule, HIGH, 90, 0);
}

export function ov_abi_v1(): void {}

export function ov_bufs(inCap: u32, outCap: u32): i64 {
  if (inCap > <u32>MAX_WINDOW || outCap > <u32>(MAX_SPANS * 16)) unreachable();
  most = outCap / 16;
  return (<i64>input << 32) | <i64>output;
}

export function ov_scan(length: u32, flags: u32): i32 {
  view.at = input;
  view.length = length;
  view.rule = (flags >> 8) & 0xff;
  view.begin = (flags & 1) != 0;
  view.end = (flags & 2) != 0;
  spans = 0;
  scanner!(view);
  return spans > most ? -2 : <i32>spans;
}

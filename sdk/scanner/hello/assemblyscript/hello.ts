// A scanner in AssemblyScript: acme_ and 32 hex digits.
import { serve, found, Window } from "../../assemblyscript/ov";
export { ov_abi_v1, ov_bufs, ov_scan } from "../../assemblyscript/ov";

function hex(c: u8): bool {
  return (c >= 48 && c <= 57) || (c >= 97 && c <= 102);
}

serve((w: Window): void => {
  for (let i: u32 = 0; i + 37 <= w.length; i++) {
    const b = w.at + i;
    if (load<u32>(b) != 0x656d6361 || load<u8>(b, 4) != 95) continue; // "acme", "_"
    let n: u32 = 5;
    while (n < 37 && hex(load<u8>(b + n))) n++;
    if (n == 37) found(w, i, i + n);
  }
});

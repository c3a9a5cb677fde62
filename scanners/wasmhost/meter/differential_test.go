package meter_test

import (
	"testing"
)

var someArgs = [][]uint64{{0, 0}, {7, 1 << 40}, {0xfffffffe, 0x8000000000000001}}

// TestRandomPrograms runs programs metered and not, on both engines: results,
// traps, memory and globals agree, and both engines pay the same.
func TestRandomPrograms(t *testing.T) {
	n := uint64(250)
	if testing.Short() {
		n = 60
	}
	es := engines(t)
	traps := 0
	for seed := range n {
		wasm := program(seed)
		same(t, es, wasm, "f", genGlobals, someArgs...)
		g := es[0].load(t, wasm)
		if g.call("f", genGlobals, 7, 7).Trap != "" {
			traps++
		}
		g.close()
	}
	if traps > int(n)*3/4 {
		t.Errorf("%d of %d programs trap: the generator shows little", traps, n)
	}
}

package wasmhost

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/opaquevault/ov/scanners/wasmhost/meter"
)

const wasiModule = "wasi_snapshot_preview1"

// WASI error numbers.
const (
	errnoBadf  = 8
	errnoFault = 21
	errnoInval = 28
)

// errExit is what a guest gets that calls proc_exit.
var errExit = errors.New("guest exited")

// A wasiFunc is one function of the shim.
type wasiFunc struct {
	function
	call func(m api.Module, stack []uint64)
}

// wasi returns the ten functions that Go's runtime imports. They are functions of
// their arguments: the clock stands, random numbers are the same in each
// instance, what is written is dropped, and there is nothing to read.
func wasi() map[string]wasiFunc {
	none := func(_ api.Module, stack []uint64) { stack[0] = 0 }
	two := []byte{i32, i32}
	errno := []byte{i32}
	return map[string]wasiFunc{
		"args_get":          {function{two, errno}, none},
		"args_sizes_get":    {function{two, errno}, sizes},
		"environ_get":       {function{two, errno}, none},
		"environ_sizes_get": {function{two, errno}, sizes},
		"clock_time_get":    {function{[]byte{i32, i64, i32}, errno}, clock},
		"fd_write":          {function{[]byte{i32, i32, i32, i32}, errno}, write},
		"poll_oneoff":       {function{[]byte{i32, i32, i32, i32}, errno}, poll},
		"proc_exit":         {function{errno, nil}, func(api.Module, []uint64) { panic(errExit) }},
		"random_get":        {function{two, errno}, random},
		"sched_yield":       {function{nil, errno}, none},
	}
}

// instantiateWASI makes the shim in a runtime.
func instantiateWASI(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(wasiModule)
	for name, f := range wasi() {
		call := f.call
		b.NewFunctionBuilder().WithGoModuleFunction(
			api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) { call(m, stack) }),
			valueTypes(f.params), valueTypes(f.results)).Export(name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func valueTypes(b []byte) []api.ValueType { return append([]api.ValueType(nil), b...) }

// sizes: no strings, of no bytes.
func sizes(m api.Module, stack []uint64) {
	ok := m.Memory().WriteUint32Le(uint32(stack[0]), 0) && m.Memory().WriteUint32Le(uint32(stack[1]), 0)
	stack[0] = errnoIf(!ok, errnoFault)
}

// clock: the first of January 2020, always.
func clock(m api.Module, stack []uint64) {
	const fixed = 1577836800e9
	stack[0] = errnoIf(!m.Memory().WriteUint64Le(uint32(stack[2]), fixed), errnoFault)
}

// write drops everything and says how much it was.
func write(m api.Module, stack []uint64) {
	fd, iovs, n, done := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	switch {
	case fd != 1 && fd != 2:
		stack[0] = errnoBadf
		return
	case n > 1<<10 || !pay(m, int64(n)):
		stack[0] = errnoInval
		return
	}
	total := uint32(0)
	for i := range n {
		length, ok := m.Memory().ReadUint32Le(iovs + 8*i + 4)
		if !ok {
			stack[0] = errnoFault
			return
		}
		total += length
	}
	stack[0] = errnoIf(!m.Memory().WriteUint32Le(done, total), errnoFault)
}

// poll says that everything that is waited for has happened. An event is 32
// bytes: userdata, errno, type; a subscription is 48: userdata, type.
func poll(m api.Module, stack []uint64) {
	in, out, n, done := uint32(stack[0]), uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	if n == 0 || n > 1<<10 || !pay(m, 16*int64(n)) {
		stack[0] = errnoInval
		return
	}
	for i := range n {
		sub, ok := m.Memory().Read(in+48*i, 9)
		event, ok2 := m.Memory().Read(out+32*i, 32)
		if !ok || !ok2 {
			stack[0] = errnoFault
			return
		}
		kind := sub[8]
		copy(event, sub[:8]) // they may overlap
		clear(event[8:])
		event[10] = kind
	}
	stack[0] = errnoIf(!m.Memory().WriteUint32Le(done, n), errnoFault)
}

// random fills with the numbers of a fixed seed and the buffer's place.
func random(m api.Module, stack []uint64) {
	at, n := uint32(stack[0]), uint32(stack[1])
	if !pay(m, int64(n)) {
		stack[0] = errnoInval
		return
	}
	b, ok := m.Memory().Read(at, n)
	if !ok {
		stack[0] = errnoFault
		return
	}
	x := uint64(at)
	var word [8]byte
	for len(b) > 0 { // splitmix64
		x += 0x9e3779b97f4a7c15
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(word[:], z^z>>31)
		b = b[copy(b, word[:]):]
	}
	stack[0] = 0
}

// pay charges the guest for work that the host does for it. Without enough fuel
// the work is not done, and the guest traps at its next step.
func pay(m api.Module, n int64) bool {
	g, ok := m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
	if !ok { // not metered
		return true
	}
	left := int64(g.Get()) - n
	g.Set(uint64(left))
	return left >= 0
}

func errnoIf(failed bool, errno uint64) uint64 {
	if failed {
		return errno
	}
	return 0
}

package wasmhost

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// calls is a scanner that calls one function of the shim with the arguments,
// then reports its result as a span's length.
func calls(t *testing.T, name string, args ...[]byte) *Probe {
	t.Helper()
	f := wasi()[name].function
	m := &asm.Module{}
	m.Import(wasiModule, name, f.params, f.results)
	m.Memory(4, 4)
	m.AddScan(nil, asm.I32Const(asm.Out), asm.Cat(args...), asm.Call(0), asm.Mem(0x36, 4), asm.I32Const(1))
	return probe(t, m.WithManifest(""), Options{})
}

// ask returns the errno that the function gave.
func (p *Probe) errno(t *testing.T) int {
	t.Helper()
	a, err := p.Ask(make([]byte, 64), FlagWindow, 0)
	if err != nil && fmt.Sprint(err) != ErrSpan.Error()+": it is empty" {
		t.Fatal(err)
	}
	if err != nil {
		return 0
	}
	return a.Spans[0].End
}

func (p *Probe) word(t *testing.T, at uint32) uint64 {
	t.Helper()
	v, ok := p.in.module.Memory().ReadUint64Le(at)
	if !ok {
		t.Fatalf("no memory at %d", at)
	}
	return v
}

const end = 4 << 16 // of the guest's memory

// TestShim: each function does what ABI.md says, and no more; addresses outside
// of memory are an error, not a trap of the host.
func TestShim(t *testing.T) {
	c := asm.I32Const
	for _, r := range []struct {
		name  string
		args  [][]byte
		errno int
	}{
		{"args_get", [][]byte{c(8), c(16)}, 0},
		{"args_sizes_get", [][]byte{c(8), c(16)}, 0},
		{"args_sizes_get", [][]byte{c(end), c(16)}, errnoFault},
		{"environ_get", [][]byte{c(8), c(16)}, 0},
		{"environ_sizes_get", [][]byte{c(8), c(-1)}, errnoFault},
		{"clock_time_get", [][]byte{c(0), asm.I64Const(1), c(8)}, 0},
		{"clock_time_get", [][]byte{c(0), asm.I64Const(1), c(end - 7)}, errnoFault},
		{"fd_write", [][]byte{c(1), c(64), c(2), c(8)}, 0},
		{"fd_write", [][]byte{c(3), c(64), c(2), c(8)}, errnoBadf},
		{"fd_write", [][]byte{c(2), c(end - 4), c(2), c(8)}, errnoFault},
		{"fd_write", [][]byte{c(2), c(64), c(-1), c(8)}, errnoInval},
		{"poll_oneoff", [][]byte{c(64), c(256), c(1), c(8)}, 0},
		{"poll_oneoff", [][]byte{c(64), c(256), c(0), c(8)}, errnoInval},
		{"poll_oneoff", [][]byte{c(end - 8), c(256), c(1), c(8)}, errnoFault},
		{"poll_oneoff", [][]byte{c(64), c(end - 31), c(1), c(8)}, errnoFault},
		{"random_get", [][]byte{c(64), c(13)}, 0},
		{"random_get", [][]byte{c(end - 12), c(13)}, errnoFault},
		{"sched_yield", nil, 0},
	} {
		if got := calls(t, r.name, r.args...).errno(t); got != r.errno {
			t.Errorf("%s%v: errno %d, want %d", r.name, r.args, got, r.errno)
		}
	}
}

func TestShimIsDeterministic(t *testing.T) {
	a, b := calls(t, "random_get", asm.I32Const(64), asm.I32Const(16)), calls(t, "random_get", asm.I32Const(64), asm.I32Const(16))
	a.errno(t)
	b.errno(t)
	if a.word(t, 64) != b.word(t, 64) || a.word(t, 72) != b.word(t, 72) || a.word(t, 64) == a.word(t, 72) || a.word(t, 64) == 0 {
		t.Errorf("random numbers %x %x, %x %x", a.word(t, 64), a.word(t, 72), b.word(t, 64), b.word(t, 72))
	}
	c := calls(t, "clock_time_get", asm.I32Const(0), asm.I64Const(1), asm.I32Const(64))
	c.errno(t)
	if got := c.word(t, 64); got != 1577836800e9 {
		t.Errorf("the clock says %d", got)
	}
}

// TestShimPoll: an event carries its subscription's userdata and type.
func TestShimPoll(t *testing.T) {
	p := calls(t, "poll_oneoff", asm.I32Const(64), asm.I32Const(256), asm.I32Const(1), asm.I32Const(8))
	sub := make([]byte, 48)
	binary.LittleEndian.PutUint64(sub, 0x1122334455667788)
	sub[8] = 2
	p.in.module.Memory().Write(64, sub)
	p.errno(t)
	if u, rest, n := p.word(t, 256), p.word(t, 264), p.word(t, 8)&0xffffffff; u != 0x1122334455667788 || rest != 2<<16 || n != 1 {
		t.Errorf("event %x %x, %d events", u, rest, n)
	}
}

// TestShimIsTen: the ten functions, and what Go's runtime imports is among them.
func TestShimIsTen(t *testing.T) {
	if n := len(wasi()); n != 10 {
		t.Errorf("%d functions", n)
	}
}

// TestLog: under test, a guest can say two numbers.
func TestLog(t *testing.T) {
	m := &asm.Module{}
	m.Import("ov", "log", []byte{asm.I32, asm.I32}, nil)
	m.AddScan(nil, asm.I32Const(3), asm.I32Const(-4), asm.Call(0), asm.I32Const(0))
	var got []int32
	p := probe(t, m.WithManifest(""), Options{Log: func(l, c int32) { got = append(got, l, c) }})
	if _, err := p.Direct(window, FlagWindow); err != nil || fmt.Sprint(got) != "[3 -4]" {
		t.Errorf("%v %v", got, err)
	}
}

// TestInit: a scanner gets its configuration, and can refuse it.
func TestInit(t *testing.T) {
	m := &asm.Module{}
	m.Export("ov_init", module.KindFunc, m.Func([]byte{asm.I32}, []byte{asm.I32}, nil,
		asm.I32Const(0), asm.I32Const(asm.In), asm.Mem(0x2d, 0), asm.Mem(0x3a, 8), // its first byte to 8
		asm.I32Const(0), asm.Get(0), asm.Mem(0x36, 16), // its length to 16
		asm.I32Const(0), asm.Get(0), asm.Op(0x6b), asm.I32Const(10), asm.Op(0x6a)))
	wasm := m.AddScan(nil, asm.I32Const(0)).WithManifest("")
	for config, want := range map[string]struct{ first, length uint64 }{"": {'{', 2}, "[1,2,3]": {'[', 7}} {
		o := Options{}
		if config != "" {
			o.Config = []byte(config)
		}
		p := probe(t, wasm, o)
		if first, n := p.word(t, 8)&0xff, p.word(t, 16); first != want.first || n != want.length {
			t.Errorf("%q: %c, %d bytes", config, rune(first), n)
		}
	}
	if err := load(t, wasm, Options{Config: []byte(`"eleven byt"`)}).Compile(); err == nil {
		t.Error("a configuration that is refused starts")
	}
	if err := load(t, wasm, Options{Config: make([]byte, 5000)}).Compile(); err == nil {
		t.Error("a configuration larger than the buffer starts")
	}
}

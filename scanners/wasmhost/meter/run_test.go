package meter_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

var limits = meter.Limits{Pages: 16, Elems: 1024}

// An outcome is all that can be seen of a call: results, traps, memory, globals.
type outcome struct {
	Results []uint64
	Trap    string
	Memory  [32]byte
	Globals string
}

// An engine runs the modules of a test.
type engine struct {
	name string
	r    wazero.Runtime
}

func engines(t testing.TB) []engine {
	t.Helper()
	ctx := context.Background()
	make := func(name string, c wazero.RuntimeConfig) engine {
		r := wazero.NewRuntimeWithConfig(ctx, c.WithCoreFeatures(api.CoreFeaturesV2).WithMemoryLimitPages(16))
		t.Cleanup(func() { r.Close(ctx) })
		_, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
			WithFunc(func(a int32) int32 { return a*3 + 1 }).Export("host").Instantiate(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return engine{name, r}
	}
	return []engine{
		make("compiler", wazero.NewRuntimeConfigCompiler()),
		make("interpreter", wazero.NewRuntimeConfigInterpreter()),
	}
}

// A guest is one instance.
type guest struct {
	m        api.Module
	compiled wazero.CompiledModule
}

func (e engine) load(t testing.TB, wasm []byte) guest {
	t.Helper()
	ctx := context.Background()
	c, err := e.r.CompileModule(ctx, wasm)
	if err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
	m, err := e.r.InstantiateModule(ctx, c, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		t.Fatalf("%s: %v", e.name, err)
	}
	return guest{m, c}
}

func (g guest) close() {
	g.m.Close(context.Background())
	g.compiled.Close(context.Background())
}

// fuel gives a metered guest n units; others do not notice.
func (g guest) fuel(n int64) {
	if f, ok := g.m.ExportedGlobal(meter.Fuel).(api.MutableGlobal); ok {
		f.Set(uint64(n))
	}
}

func (g guest) left() int64 { return int64(g.m.ExportedGlobal(meter.Fuel).Get()) }

func (g guest) stack() int32 { return int32(g.m.ExportedGlobal(meter.Stack).Get()) }

func (g guest) call(name string, globals int, args ...uint64) outcome {
	var o outcome
	f := g.m.ExportedFunction(name)
	results, err := f.Call(context.Background(), args...)
	for i, r := range results {
		if f.Definition().ResultTypes()[i] == api.ValueTypeI32 { // its upper half is the engine's business
			r = uint64(uint32(r))
		}
		o.Results = append(o.Results, r)
	}
	if err != nil {
		o.Trap, _, _ = strings.Cut(err.Error(), "\n")
	}
	if mem := g.m.Memory(); !reflect.ValueOf(mem).IsNil() { // a nil of its type, without a memory
		b, _ := mem.Read(0, mem.Size())
		o.Memory = sha256.Sum256(b)
	}
	for i := range globals {
		o.Globals += fmt.Sprint(g.m.ExportedGlobal(fmt.Sprintf("g%d", i)).Get(), " ")
	}
	return o
}

// rewrite meters a module that a test made, and must be able to.
func rewrite(t testing.TB, wasm []byte) []byte {
	t.Helper()
	m, err := module.Parse(wasm)
	if err != nil {
		t.Fatal(err)
	}
	out, err := meter.Rewrite(m, limits)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// same runs a function unmetered and metered on both engines and wants one
// outcome. It returns what the metered one paid.
func same(t *testing.T, es []engine, wasm []byte, name string, globals int, args ...[]uint64) {
	t.Helper()
	metered := rewrite(t, wasm)
	for _, a := range args {
		var want outcome
		paid := int64(-1)
		for i, e := range es {
			plain, m := e.load(t, wasm), e.load(t, metered)
			m.fuel(math.MaxInt64 / 2)
			one, two := plain.call(name, globals, a...), m.call(name, globals, a...)
			if fmt.Sprint(one) != fmt.Sprint(two) {
				t.Fatalf("%s(%v) on the %s:\nunmetered %v\nmetered   %v", name, a, e.name, one, two)
			}
			if i == 0 {
				want, paid = two, m.left()
			} else if fmt.Sprint(want) != fmt.Sprint(two) {
				t.Fatalf("%s(%v):\n%s %v\n%s %v", name, a, es[0].name, want, e.name, two)
			} else if m.left() != paid {
				t.Fatalf("%s(%v): engines left %d and %d units", name, a, paid, m.left())
			}
			if two.Trap == "" && m.stack() != meter.StackBytes {
				t.Fatalf("%s(%v): %d of %d bytes of stack given back", name, a, m.stack(), meter.StackBytes)
			}
			plain.close()
			m.close()
		}
	}
}

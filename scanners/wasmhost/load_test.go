package wasmhost

import (
	"errors"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// plain is a scanner that finds nothing.
func plain() *asm.Module {
	return (&asm.Module{}).AddScan(nil, asm.I32Const(0))
}

// body is a scanner with the code as its ov_scan.
func body(code ...[]byte) []byte {
	return (&asm.Module{}).AddScan([]byte{asm.I32, asm.I32}, code...).WithManifest("")
}

// TestBadModules: each is refused by Load or Compile, in words that say why.
func TestBadModules(t *testing.T) {
	with := func(change func(m *asm.Module)) []byte {
		m := plain()
		change(m)
		return m.WithManifest("")
	}
	imports := func(mod, name string, params, results []byte) []byte {
		m := &asm.Module{}
		m.Import(mod, name, params, results)
		return m.AddScan(nil, asm.I32Const(0)).WithManifest("")
	}
	i32s := []byte{asm.I32}
	wrong := func(old, new string) []byte {
		return plain().WithManifest(strings.Replace(asm.Manifest, old, new, 1))
	}
	good := plain().WithManifest("")
	for _, c := range []struct {
		name string
		wasm []byte
		want string
		is   error
	}{
		{"not WASM", []byte("#!/bin/sh\necho hello\n"), "not a WebAssembly module", module.ErrNotWASM},
		{"nothing", nil, "not a WebAssembly module", module.ErrNotWASM},
		{"truncated", good[:len(good)-9], "truncated", nil},
		{"truncated in the code", plain().Bytes()[:60], "", nil},
		{"no manifest", plain().Bytes(), "no ov.scanner section", manifest.ErrNone},
		{"two manifests", with(func(m *asm.Module) { m.Custom("ov.scanner", []byte(asm.Manifest)) }), "2 ov.scanner sections", nil},
		{"wrong ABI version", wrong(`"abi":1`, `"abi":2`), "wrong ABI version 2: this host speaks 1", manifest.ErrABI},
		{"a later ABI with keys of its own", wrong(`"abi":1`, `"abi":9,"new":{}`), "wrong ABI version 9", manifest.ErrABI},
		{"manifest over 64 KiB", plain().WithManifest(asm.Manifest + strings.Repeat(" ", manifest.MaxSize)), "larger than 65536", nil},
		{"manifest not JSON", plain().WithManifest("name = 'toml'"), "not JSON as expected", nil},
		{"manifest with more after it", plain().WithManifest(asm.Manifest + "{}"), "more after the value", nil},
		{"manifest with an unknown key", wrong(`"mode"`, `"moed"`), `unknown field "moed"`, nil},
		{"manifest name with an escape", wrong(`"name":"test"`, `"name":"\u001b[31m"`), "is not a slug", nil},
		{"manifest name that climbs", wrong(`"name":"test"`, `"name":"../x"`), "is not a slug", nil},
		{"missing export", (&asm.Module{}).WithManifest(""), "export is missing", ErrExport},
		{"export of another type", func() []byte {
			m := &asm.Module{}
			m.Memory(1, 1)
			m.Export("memory", module.KindMemory, 0)
			m.Export("ov_abi_v1", 0, m.Func(nil, nil, nil))
			m.Export("ov_bufs", 0, m.Func(i32s, []byte{asm.I64}, nil, asm.I64Const(0)))
			m.Export("ov_scan", 0, m.Func(i32s, i32s, nil, asm.I32Const(0)))
			return m.WithManifest("")
		}(), "has another type", ErrExport},
		{"a command", with(func(m *asm.Module) { m.Export("_start", 0, 0) }), "build it as a reactor", nil},
		{"a file-system import", imports("wasi_snapshot_preview1", "path_open", []byte{asm.I32, asm.I32, asm.I32, asm.I32, asm.I32, asm.I64, asm.I64, asm.I32, asm.I32}, i32s),
			`"wasi_snapshot_preview1" "path_open": a scanner has no files`, ErrImport},
		{"reading a file", imports("wasi_snapshot_preview1", "fd_read", []byte{asm.I32, asm.I32, asm.I32, asm.I32}, i32s), `"fd_read"`, ErrImport},
		{"a socket", imports("wasi_snapshot_preview1", "sock_accept", []byte{asm.I32, asm.I32, asm.I32}, i32s), `"sock_accept"`, ErrImport},
		{"the environment of another host", imports("env", "system", i32s, i32s), `import is not allowed: "env" "system"`, ErrImport},
		{"ov.log outside of tests", imports("ov", "log", []byte{asm.I32, asm.I32}, nil), `under "ov scanner test" only`, ErrImport},
		{"a WASI import of another type", imports("wasi_snapshot_preview1", "random_get", i32s, i32s), "has another type", ErrImport},
		{"an imported memory", func() []byte {
			m := &asm.Module{}
			m.ImportRaw("env", "memory", module.KindMemory, 0, 1)
			return m.WithManifest("")
		}(), "is not a function", ErrImport},
		{"a start section that loops", with(func(m *asm.Module) {
			m.Start(m.Func(nil, nil, nil, asm.Block(module.Loop, asm.Void, asm.Idx(module.Br, 0))))
		}), "start section", module.ErrFeature},
		{"a memory bomb", func() []byte {
			m := &asm.Module{}
			m.Memory(65536, -1)
			return m.AddScan(nil, asm.I32Const(0)).WithManifest("")
		}(), "memory of 65536 pages is larger", nil},
		{"a table bomb", with(func(m *asm.Module) { m.Table(asm.FuncRef, 100<<20, -1) }), "table of 104857600 elements", nil},
		{"an out-of-range global meant to hit the fuel counter", body(asm.I64Const(1<<62), asm.Idx(module.GlobalSet, 0), asm.I32Const(0)), "validate", nil},
		{"the stack counter likewise", body(asm.I32Const(1<<30), asm.Idx(module.GlobalSet, 1), asm.I32Const(0)), "validate", nil},
		{"an export of the counter's name", with(func(m *asm.Module) {
			m.Global(asm.I64, true, asm.I64Const(1<<62)...)
			m.Export(meter.Fuel, module.KindGlobal, 0)
		}), "the meter's own name", nil},
		{"a local of the meter's", body(asm.I64Const(0), asm.Set(4), asm.I32Const(0)), "validate", nil},
		{"a type of the meter's", body(asm.I32Const(0), asm.Op(module.Block, 60, module.End)), "validate", nil},
		{"code that leaves the wrong type", body(asm.I64Const(1)), "validate", nil},
		{"threads", body(asm.Op(0xfe, 3, 0), asm.I32Const(0)), "threads", module.ErrFeature},
		{"tail calls", body(asm.Op(0x12, 0)), "tail calls", module.ErrFeature},
		{"exceptions", body(asm.Op(0x08, 0)), "exceptions", module.ErrFeature},
		{"garbage collection", body(asm.Op(0xfb, 0, 0)), "garbage collection", module.ErrFeature},
		{"a data segment outside of memory", with(func(m *asm.Module) { m.Data(1<<24, []byte("x")) }), "instantiate", nil},
		{"buffers outside of memory", func() []byte {
			m := &asm.Module{}
			m.Memory(1, 1)
			return m.AddScan(nil, asm.I32Const(0)).WithManifest("")
		}(), "buffers are not within its memory", ErrBufs},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Load(c.wasm, Options{})
			if err == nil {
				err = s.Compile()
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
		})
	}
	s, err := Load(good, Options{})
	if err == nil {
		err = s.Compile()
	}
	if err != nil {
		t.Errorf("the module that the others are made of: %v", err)
	}
}

// TestLoadRunsNothing: a module is admitted on what it declares, before any of
// it is compiled.
func TestLoadRunsNothing(t *testing.T) {
	s, err := Load(body(asm.Op(module.Unreachable)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s.program != nil || s.hot.Load() != nil {
		t.Error("the module was compiled by Load")
	}
	if r := s.Rules(); len(r) != 2 || r[0].ID != "test-rule" || r[1].ID != "scanner test failed" || !r[1].Mark {
		t.Errorf("rules %v", r)
	}
	if s.program != nil {
		t.Error("the module was compiled for its rules")
	}
}

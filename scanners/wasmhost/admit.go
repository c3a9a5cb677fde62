package wasmhost

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Errors that callers tell apart.
var (
	ErrImport = errors.New("import is not allowed")
	ErrExport = errors.New("export is missing or has another type")
)

// MaxElems bounds a module's tables.
const MaxElems = 64 << 10

const (
	i32 = module.I32
	i64 = module.I64
)

type function struct {
	params, results []byte
}

func (f function) is(t module.FuncType) bool {
	return slices.Equal(f.params, t.Params) && slices.Equal(f.results, t.Results)
}

// exports returns what a module must export.
func exports() map[string]function {
	return map[string]function{
		"ov_abi_v1": {},
		"ov_bufs":   {[]byte{i32, i32}, []byte{i64}},
		"ov_scan":   {[]byte{i32, i32}, []byte{i32}},
	}
}

// optional returns what it may export.
func optional() map[string]function {
	return map[string]function{
		"_initialize": {},
		"ov_init":     {[]byte{i32}, []byte{i32}},
	}
}

func limits(man *manifest.Manifest) meter.Limits {
	return meter.Limits{Pages: uint32(man.MemoryPages), Elems: MaxElems}
}

// admit refuses a module that asks for more than there is, or has too little.
func admit(m *module.Module, man *manifest.Manifest, o Options) error {
	if err := admitImports(m, o); err != nil {
		return err
	}
	for name, f := range exports() {
		if err := admitExport(m, name, f); err != nil {
			return err
		}
	}
	for name, f := range optional() {
		if _, ok := m.Export(name); ok {
			if err := admitExport(m, name, f); err != nil {
				return err
			}
		}
	}
	if e, ok := m.Export("memory"); !ok || e.Kind != module.KindMemory {
		return fmt.Errorf("%w: memory", ErrExport)
	}
	if _, ok := m.Export("_start"); ok {
		return errors.New(`export "_start": it is a command, build it as a reactor`)
	}
	return meter.Check(m, limits(man))
}

func admitExport(m *module.Module, name string, f function) error {
	e, ok := m.Export(name)
	if !ok || e.Kind != module.KindFunc {
		return fmt.Errorf("%w: %s", ErrExport, name)
	}
	if t, ok := m.FuncType(e.Index); !ok || !f.is(t) {
		return fmt.Errorf("%w: %s", ErrExport, name)
	}
	return nil
}

func admitImports(m *module.Module, o Options) error {
	for _, i := range m.Imports {
		t := module.FuncType{}
		if int(i.Type) < len(m.Types) {
			t = m.Types[i.Type]
		}
		switch {
		case i.Kind != module.KindFunc:
			return fmt.Errorf("%w: %q %q is not a function", ErrImport, i.Module, i.Name)
		case i.Module == "ov" && i.Name == "log":
			if o.Log == nil {
				return fmt.Errorf(`%w: "ov" "log" is there under "ov scanner test" only`, ErrImport)
			}
			if !(function{[]byte{i32, i32}, nil}).is(t) {
				return fmt.Errorf(`%w: "ov" "log" has another type`, ErrImport)
			}
		case i.Module == wasiModule:
			f, ok := wasi()[i.Name]
			if !ok {
				return fmt.Errorf("%w: %q %q: a scanner has no files, network or environment", ErrImport, i.Module, i.Name)
			}
			if !f.is(t) {
				return fmt.Errorf("%w: %q %q has another type", ErrImport, i.Module, i.Name)
			}
		default:
			return fmt.Errorf("%w: %q %q", ErrImport, i.Module, i.Name)
		}
	}
	return nil
}

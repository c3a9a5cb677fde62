// Package module reads the structure of a WebAssembly 2.0 binary without
// running or compiling it: sections, imports, exports, limits, function bodies
// and their instructions. It refuses what it does not know by name. It does not
// validate: types and indices are the engine's business.
package module

import (
	"errors"
	"fmt"
)

// MaxSize is the largest module that is looked at.
const MaxSize = 4 << 20

// Errors that callers tell apart.
var (
	ErrNotWASM = errors.New("not a WebAssembly module")
	ErrFeature = errors.New("feature is not allowed")
)

// Section ids, in the order the specification gives them in a file; DataCount
// stands before Code.
const (
	Custom    = 0
	Types     = 1
	Imports   = 2
	Functions = 3
	Tables    = 4
	Memories  = 5
	Globals   = 6
	Exports   = 7
	Start     = 8
	Elements  = 9
	Code      = 10
	Data      = 11
	DataCount = 12
	tags      = 13
)

// Kinds of imports and exports.
const (
	KindFunc   = 0
	KindTable  = 1
	KindMemory = 2
	KindGlobal = 3
)

// Value types.
const (
	I32  = 0x7f
	I64  = 0x7e
	V128 = 0x7b
)

// A Section is a section as it stands in the file.
type Section struct {
	ID   byte
	Name string // of a custom section
	Body []byte // without the name
}

// A FuncType is the type of a function.
type FuncType struct {
	Params, Results []byte // value types
}

// An Import is one import. Type is a function's.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint32
}

// An Export is one export.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Limits are the bounds of a table or memory.
type Limits struct {
	Elem   byte // element type of a table
	Min    uint32
	Max    uint32
	HasMax bool
}

// A Global is the type of a global.
type Global struct {
	Type    byte
	Mutable bool
}

// A Body is a function's code.
type Body struct {
	Locals []Locals
	Code   []byte // instructions, with the final end
}

// Locals are several locals of one type.
type Locals struct {
	N    uint32
	Type byte
}

// A Module is the structure of a module. It shares the file's bytes.
type Module struct {
	Sections []Section
	Types    []FuncType
	Imports  []Import
	Funcs    []uint32 // type of each function it defines
	Tables   []Limits
	Memories []Limits
	Globals  []Global
	Exports  []Export
	Bodies   []Body
	HasStart bool
}

// Parse reads a module. Errors name what is wrong and where.
func Parse(b []byte) (*Module, error) {
	switch {
	case len(b) < 8 || string(b[:4]) != "\x00asm":
		return nil, ErrNotWASM
	case len(b) > MaxSize:
		return nil, fmt.Errorf("module of %d bytes is larger than %d", len(b), MaxSize)
	case string(b[4:8]) == "\x0d\x00\x01\x00":
		return nil, fmt.Errorf("%w: it is a component, a core module is needed", ErrNotWASM)
	case string(b[4:8]) != "\x01\x00\x00\x00":
		return nil, fmt.Errorf("%w: binary version %x", ErrNotWASM, b[4:8])
	}
	m := &Module{}
	r := &reader{b: b, off: 8}
	for last := 0; r.more(); {
		s := section(r)
		if r.err != nil {
			return nil, fmt.Errorf("read section: %w", r.err)
		}
		if o := order(s.ID); o != 0 && o <= last {
			return nil, fmt.Errorf("section %d is out of order", s.ID)
		} else if o != 0 {
			last = o
		}
		if err := m.read(s); err != nil {
			return nil, fmt.Errorf("read section %d: %w", s.ID, err)
		}
		m.Sections = append(m.Sections, s)
	}
	if len(m.Funcs) != len(m.Bodies) {
		return nil, fmt.Errorf("%d functions are declared, %d have a body", len(m.Funcs), len(m.Bodies))
	}
	return m, nil
}

func section(r *reader) Section {
	s := Section{ID: r.byte()}
	s.Body = r.take(int(r.u32()))
	if s.ID == Custom && r.err == nil {
		c := &reader{b: s.Body}
		s.Name = c.name()
		if c.err != nil {
			r.fail(c.err)
			return s
		}
		s.Body = s.Body[c.off:]
	}
	return s
}

// order returns the place of a section among the others, 0 for custom ones.
func order(id byte) int {
	switch id {
	case Custom:
		return 0
	case DataCount:
		return 2*Elements + 1
	default:
		return 2 * int(id)
	}
}

func (m *Module) read(s Section) error {
	r := &reader{b: s.Body}
	switch s.ID {
	case Custom, Elements, Data, DataCount:
		return nil // copied as they are
	case Types:
		m.types(r)
	case Imports:
		m.imports(r)
	case Functions:
		for range r.count(1) {
			m.Funcs = append(m.Funcs, r.u32())
		}
	case Tables:
		for range r.count(3) {
			elem := r.byte()
			m.Tables = append(m.Tables, limits(r, elem))
		}
	case Memories:
		for range r.count(2) {
			m.Memories = append(m.Memories, limits(r, 0))
		}
	case Globals:
		m.globals(r)
	case Exports:
		for range r.count(3) {
			m.Exports = append(m.Exports, Export{r.name(), r.byte(), r.u32()})
		}
	case Start:
		m.HasStart = true
		r.u32()
	case Code:
		m.bodies(r)
	case tags:
		return fmt.Errorf("%w: exceptions", ErrFeature)
	default:
		return errors.New("unknown section")
	}
	if r.err == nil && r.off != len(r.b) {
		return fmt.Errorf("offset %d: bytes left over", r.off)
	}
	return r.err
}

func (m *Module) types(r *reader) {
	for range r.count(3) {
		if c := r.byte(); c != 0x60 {
			if r.err == nil {
				r.fail(fmt.Errorf("%w: garbage collection (type form %#x)", ErrFeature, c))
			}
			return
		}
		m.Types = append(m.Types, FuncType{r.take(r.count(1)), r.take(r.count(1))})
	}
}

func (m *Module) imports(r *reader) {
	for range r.count(4) {
		i := Import{Module: r.name(), Name: r.name(), Kind: r.byte()}
		switch i.Kind {
		case KindFunc:
			i.Type = r.u32()
		case KindTable:
			limits(r, r.byte())
		case KindMemory:
			limits(r, 0)
		case KindGlobal:
			r.take(2)
		default:
			r.fail(fmt.Errorf("%w: import kind %d", ErrFeature, i.Kind))
		}
		m.Imports = append(m.Imports, i)
	}
}

func limits(r *reader, elem byte) Limits {
	l := Limits{Elem: elem}
	switch flag := r.byte(); flag {
	case 0, 1:
		l.Min = r.u32()
		if l.HasMax = flag == 1; l.HasMax {
			l.Max = r.u32()
		}
	case 2, 3:
		r.fail(fmt.Errorf("%w: threads (shared memory)", ErrFeature))
	default:
		r.fail(fmt.Errorf("%w: limits of kind %#x", ErrFeature, flag))
	}
	return l
}

func (m *Module) globals(r *reader) {
	for range r.count(4) {
		g := Global{r.byte(), r.byte() == 1}
		d := Decoder{r: reader{b: r.b, off: r.off}}
		for d.Next() && d.Instr.Op != End {
		}
		if d.r.err != nil {
			r.fail(d.r.err)
			return
		}
		r.off = d.r.off
		m.Globals = append(m.Globals, g)
	}
}

func (m *Module) bodies(r *reader) {
	for range r.count(3) {
		c := &reader{b: r.take(int(r.u32()))}
		var b Body
		for range c.count(2) {
			b.Locals = append(b.Locals, Locals{c.u32(), c.byte()})
		}
		b.Code = c.take(len(c.b) - c.off)
		if c.err != nil {
			r.fail(c.err)
			return
		}
		m.Bodies = append(m.Bodies, b)
	}
}

// ImportedFuncs returns the number of imported functions: the index of the
// first function that the module defines.
func (m *Module) ImportedFuncs() int { return m.imported(KindFunc) }

// ImportedGlobals returns the number of imported globals.
func (m *Module) ImportedGlobals() int { return m.imported(KindGlobal) }

func (m *Module) imported(kind byte) int {
	n := 0
	for _, i := range m.Imports {
		if i.Kind == kind {
			n++
		}
	}
	return n
}

// Export returns the export of a name.
func (m *Module) Export(name string) (Export, bool) {
	for _, e := range m.Exports {
		if e.Name == name {
			return e, true
		}
	}
	return Export{}, false
}

// FuncType returns the type of a function, imported or defined.
func (m *Module) FuncType(index uint32) (FuncType, bool) {
	t := uint32(0)
	for _, i := range m.Imports {
		if i.Kind != KindFunc {
			continue
		}
		if index == 0 {
			t = i.Type
			return m.typeAt(t)
		}
		index--
	}
	if int64(index) >= int64(len(m.Funcs)) {
		return FuncType{}, false
	}
	return m.typeAt(m.Funcs[index])
}

func (m *Module) typeAt(t uint32) (FuncType, bool) {
	if int64(t) >= int64(len(m.Types)) {
		return FuncType{}, false
	}
	return m.Types[t], true
}

// Custom returns the custom sections of a name.
func (m *Module) Custom(name string) [][]byte {
	var found [][]byte
	for _, s := range m.Sections {
		if s.ID == Custom && s.Name == name {
			found = append(found, s.Body)
		}
	}
	return found
}

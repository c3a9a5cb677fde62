// Package asm assembles small WebAssembly modules for tests: hostile ones, and
// one of each shape that the meter must leave intact.
package asm

import (
	"slices"

	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Value types.
const (
	I32     = 0x7f
	I64     = 0x7e
	F32     = 0x7d
	F64     = 0x7c
	V128    = 0x7b
	FuncRef = 0x70
	ExtRef  = 0x6f
	Void    = 0x40 // block type
)

// A Module is a module under construction.
type Module struct {
	types    [][]byte
	imports  [][]byte
	funcs    [][]byte
	tables   [][]byte
	memories [][]byte
	globals  [][]byte
	exports  [][]byte
	start    []byte
	elems    [][]byte
	counted  bool // with a data count section
	bodies   [][]byte
	data     [][]byte
	customs  []byte
}

// Type returns the index of a function type, adding it if it is new.
func (m *Module) Type(params, results []byte) uint32 {
	t := Cat([]byte{0x60}, vec(params), vec(results))
	for i, u := range m.types {
		if slices.Equal(t, u) {
			return uint32(i)
		}
	}
	m.types = append(m.types, t)
	return uint32(len(m.types) - 1)
}

// Import imports a function and returns its index. Imports come before Func.
func (m *Module) Import(mod, name string, params, results []byte) uint32 {
	t := module.AppendU32([]byte{module.KindFunc}, m.Type(params, results))
	m.imports = append(m.imports, Cat(str(mod), str(name), t))
	return uint32(len(m.imports) - 1)
}

// ImportRaw imports something else, described by the bytes.
func (m *Module) ImportRaw(mod, name string, desc ...byte) {
	m.imports = append(m.imports, Cat(str(mod), str(name), desc))
}

// Func adds a function and returns its index. The final end is added.
func (m *Module) Func(params, results, locals []byte, code ...[]byte) uint32 {
	m.funcs = append(m.funcs, module.AppendU32(nil, m.Type(params, results)))
	var decl [][]byte
	for _, l := range locals {
		decl = append(decl, []byte{1, l})
	}
	m.bodies = append(m.bodies, Cat(list(decl), Cat(code...), []byte{module.End}))
	return uint32(len(m.imports) + len(m.funcs) - 1)
}

// Body replaces the code of the last function by raw bytes, locals included.
func (m *Module) Body(raw ...byte) { m.bodies[len(m.bodies)-1] = raw }

// Memory adds a memory, without a maximum if most is negative.
func (m *Module) Memory(least, most int) { m.memories = append(m.memories, limits(least, most)) }

// Table adds a table.
func (m *Module) Table(elem byte, least, most int) {
	m.tables = append(m.tables, append([]byte{elem}, limits(least, most)...))
}

// Global adds a global and returns its index among those the module defines.
func (m *Module) Global(t byte, mutable bool, init ...byte) uint32 {
	mut := byte(0)
	if mutable {
		mut = 1
	}
	m.globals = append(m.globals, Cat([]byte{t, mut}, init, []byte{module.End}))
	return uint32(len(m.globals) - 1)
}

// Export exports something of a kind.
func (m *Module) Export(name string, kind byte, index uint32) {
	m.exports = append(m.exports, module.AppendU32(append(str(name), kind), index))
}

// Elem adds an element segment, given as it stands in the file.
func (m *Module) Elem(raw ...byte) { m.elems = append(m.elems, raw) }

// Active adds an active element segment of functions.
func (m *Module) Active(offset int32, funcs ...uint32) {
	b := Cat([]byte{0}, I32Const(offset), []byte{module.End})
	b = module.AppendU32(b, uint32(len(funcs)))
	for _, f := range funcs {
		b = module.AppendU32(b, f)
	}
	m.Elem(b...)
}

// Data adds a data segment, passive if offset is negative.
func (m *Module) Data(offset int32, b []byte) {
	if offset < 0 {
		m.data = append(m.data, Cat([]byte{1}, vec(b)))
		return
	}
	m.data = append(m.data, Cat([]byte{0}, I32Const(offset), []byte{module.End}, vec(b)))
}

// DataCount adds a data count section.
func (m *Module) DataCount() { m.counted = true }

// Start sets the start function.
func (m *Module) Start(f uint32) { m.start = module.AppendU32(nil, f) }

// Custom adds a custom section, at the end.
func (m *Module) Custom(name string, b []byte) {
	m.customs = append(m.customs, section(module.Custom, Cat(str(name), b))...)
}

// Bytes returns the module.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	add := func(id byte, items [][]byte) {
		if len(items) > 0 {
			out = append(out, section(id, list(items))...)
		}
	}
	add(module.Types, m.types)
	add(module.Imports, m.imports)
	add(module.Functions, m.funcs)
	add(module.Tables, m.tables)
	add(module.Memories, m.memories)
	add(module.Globals, m.globals)
	add(module.Exports, m.exports)
	if m.start != nil {
		out = append(out, section(module.Start, m.start)...)
	}
	add(module.Elements, m.elems)
	if m.counted {
		out = append(out, section(module.DataCount, module.AppendU32(nil, uint32(len(m.data))))...)
	}
	var bodies [][]byte
	for _, b := range m.bodies {
		bodies = append(bodies, vec(b))
	}
	add(module.Code, bodies)
	add(module.Data, m.data)
	return append(out, m.customs...)
}

func section(id byte, body []byte) []byte { return append([]byte{id}, vec(body)...) }

func list(items [][]byte) []byte {
	return append(module.AppendU32(nil, uint32(len(items))), Cat(items...)...)
}

func vec(b []byte) []byte { return module.AppendName(nil, string(b)) }

func str(s string) []byte { return module.AppendName(nil, s) }

func limits(least, most int) []byte {
	if most < 0 {
		return module.AppendU32([]byte{0}, uint32(least))
	}
	return module.AppendU32(module.AppendU32([]byte{1}, uint32(least)), uint32(most))
}

// Cat joins pieces of code.
func Cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// Op is instructions without operands, given as opcodes.
func Op(ops ...byte) []byte { return ops }

// Idx is an instruction with an index: of a local, global, function or label.
func Idx(op byte, index uint32) []byte { return module.AppendU32([]byte{op}, index) }

// I32Const pushes v.
func I32Const(v int32) []byte { return module.AppendInt([]byte{module.I32Const}, int64(v)) }

// I64Const pushes v.
func I64Const(v int64) []byte { return module.AppendInt([]byte{module.I64Const}, v) }

// Get, Set and Tee work on a local.
func Get(i uint32) []byte { return Idx(0x20, i) }

// Set pops into a local.
func Set(i uint32) []byte { return Idx(0x21, i) }

// Tee copies into a local.
func Tee(i uint32) []byte { return Idx(0x22, i) }

// Call calls a function.
func Call(f uint32) []byte { return Idx(module.Call, f) }

// Mem is a load or store at an offset.
func Mem(op byte, offset uint32) []byte { return module.AppendU32([]byte{op, 0}, offset) }

// Block is a block, loop or if around code.
func Block(op, blockType byte, code ...[]byte) []byte {
	return Cat([]byte{op, blockType}, Cat(code...), []byte{module.End})
}

// Sub is an instruction with a second opcode, and immediates.
func Sub(op byte, sub uint32, imm ...byte) []byte {
	return append(module.AppendU32([]byte{op}, sub), imm...)
}

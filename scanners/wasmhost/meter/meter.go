// Package meter rewrites a WebAssembly module so that it bounds itself: each
// function entry, loop iteration and bulk operation is paid for from the global
// ov_fuel, each frame from the global ov_stack, and the module traps when one of
// them runs out. The engine cannot preempt a guest; this needs no preemption.
//
// The module must have been validated before: then no index in it is out of
// range, and none can come to mean one of the two globals.
package meter

import (
	"fmt"
	"math"

	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Names under which the two globals are exported. A module that exports one of
// them itself is refused.
const (
	Fuel  = "ov_fuel"  // i64, mutable: set it before each call
	Stack = "ov_stack" // i32, mutable: balances itself unless the guest traps
)

// StackBytes is how much stack a guest may use, by an estimate that is no
// smaller than what the engine takes.
const StackBytes = 1 << 20

// Limits bound what a guest may keep in memory.
type Limits struct {
	Pages uint32 // of memory, 64 KiB each
	Elems uint32 // of each table
}

// Rewrite returns a metered copy of a valid module, without custom sections.
func Rewrite(m *module.Module, l Limits) ([]byte, error) {
	if err := Check(m, l); err != nil {
		return nil, err
	}
	w := &rewriter{m: m, limits: l, types: append([]module.FuncType(nil), m.Types...)}
	w.fuel = uint32(m.ImportedGlobals() + len(m.Globals))
	w.stack = w.fuel + 1
	code, err := w.code()
	if err != nil {
		return nil, err
	}
	return w.assemble(code), nil
}

type rewriter struct {
	m           *module.Module
	limits      Limits
	types       []module.FuncType // the module's, and our own after them
	fuel, stack uint32            // indices of our globals
}

// assemble writes the sections in their order, ours merged in.
func (w *rewriter) assemble(code []byte) []byte {
	own := map[byte][]byte{
		module.Types:    w.typeSection(),
		module.Tables:   w.tableSection(),
		module.Memories: w.memorySection(),
		module.Globals:  w.globalSection(),
		module.Exports:  w.exportSection(),
		module.Code:     code,
	}
	theirs := map[byte][]byte{}
	for _, s := range w.m.Sections {
		theirs[s.ID] = s.Body
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, id := range []byte{
		module.Types, module.Imports, module.Functions, module.Tables, module.Memories, module.Globals,
		module.Exports, module.Start, module.Elements, module.DataCount, module.Code, module.Data,
	} {
		body, mine := own[id]
		if !mine {
			body = theirs[id]
		}
		if body == nil {
			continue
		}
		out = append(out, id)
		out = module.AppendU32(out, uint32(len(body)))
		out = append(out, body...)
	}
	return out
}

func (w *rewriter) typeSection() []byte {
	b := module.AppendU32(nil, uint32(len(w.types)))
	for _, t := range w.types {
		b = append(b, 0x60)
		b = module.AppendName(b, string(t.Params))
		b = module.AppendName(b, string(t.Results))
	}
	return b
}

func (w *rewriter) tableSection() []byte {
	if len(w.m.Tables) == 0 {
		return nil
	}
	b := module.AppendU32(nil, uint32(len(w.m.Tables)))
	for _, t := range w.m.Tables {
		b = append(b, t.Elem)
		b = appendLimits(b, t, w.limits.Elems)
	}
	return b
}

func (w *rewriter) memorySection() []byte {
	if len(w.m.Memories) == 0 {
		return nil
	}
	b := module.AppendU32(nil, uint32(len(w.m.Memories)))
	for _, m := range w.m.Memories {
		b = appendLimits(b, m, w.limits.Pages)
	}
	return b
}

// appendLimits writes limits with a maximum of at most most.
func appendLimits(b []byte, l module.Limits, most uint32) []byte {
	if l.HasMax {
		most = min(most, l.Max)
	}
	b = append(b, 1)
	b = module.AppendU32(b, l.Min)
	return module.AppendU32(b, most)
}

// globalSection puts our globals after the module's own: no index moves.
func (w *rewriter) globalSection() []byte {
	b := module.AppendU32(nil, uint32(len(w.m.Globals)+2))
	for _, s := range w.m.Sections {
		if s.ID == module.Globals {
			b = append(b, s.Body[uvarintLen(s.Body):]...)
		}
	}
	b = append(b, module.I64, 1, module.I64Const)
	b = append(module.AppendInt(b, 0), module.End)
	b = append(b, module.I32, 1, module.I32Const)
	return append(module.AppendInt(b, StackBytes), module.End)
}

func (w *rewriter) exportSection() []byte {
	b := module.AppendU32(nil, uint32(len(w.m.Exports)+2))
	for _, s := range w.m.Sections {
		if s.ID == module.Exports {
			b = append(b, s.Body[uvarintLen(s.Body):]...)
		}
	}
	b = append(module.AppendName(b, Fuel), module.KindGlobal)
	b = module.AppendU32(b, w.fuel)
	b = append(module.AppendName(b, Stack), module.KindGlobal)
	return module.AppendU32(b, w.stack)
}

// uvarintLen returns the length of the number that b starts with.
func uvarintLen(b []byte) int {
	for i, c := range b {
		if c < 0x80 {
			return i + 1
		}
	}
	return len(b)
}

// code rewrites the bodies.
func (w *rewriter) code() ([]byte, error) {
	if len(w.m.Bodies) == 0 {
		return nil, nil
	}
	b := module.AppendU32(nil, uint32(len(w.m.Bodies)))
	for i, body := range w.m.Bodies {
		p, err := survey(w.m, body)
		if err != nil {
			return nil, fmt.Errorf("function %d: %w", i, err)
		}
		t, ok := w.m.FuncType(uint32(w.m.ImportedFuncs() + i))
		if !ok {
			return nil, fmt.Errorf("function %d: unknown type", i)
		}
		code := w.body(body, t, p)
		b = module.AppendU32(b, uint32(len(code)))
		b = append(b, code...)
	}
	return b, nil
}

// blockType returns the encoded type of a block that leaves what the function
// returns, adding a type if it must.
func (w *rewriter) blockType(results []byte) []byte {
	switch len(results) {
	case 0:
		return []byte{0x40}
	case 1:
		return results
	}
	for i, t := range w.types[len(w.m.Types):] {
		if string(t.Results) == string(results) {
			return module.AppendInt(nil, int64(len(w.m.Types)+i))
		}
	}
	w.types = append(w.types, module.FuncType{Results: results})
	return module.AppendInt(nil, int64(len(w.types)-1))
}

func clamp32(n int64) int32 { return int32(min(n, math.MaxInt32)) }

package meter

import (
	"fmt"

	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Limits of a module's code. The engine's compiler takes time that grows with
// the square of a function's loops, and with its locals times its joins: without
// limits 100 KiB keep it busy for minutes. The largest function that Go's compiler
// makes for a scanner has 50 KiB, 18 locals and 2,620 blocks.
const (
	MaxFunctions = 16 << 10
	MaxTypes     = 4 << 10
	MaxGlobals   = 4 << 10
	MaxTables    = 16
	MaxBody      = 128 << 10 // bytes of code of one function
	MaxLocals    = 2 << 10   // of one function, with its parameters
	MaxResults   = 64
	MaxBlocks    = 8 << 10 // blocks, loops and branch targets of one function
	MaxLoops     = 256     // of one function
	MaxPhis      = 1 << 20 // locals times blocks of one function

	MaxTotalLoops = 16 << 10
	MaxTotalPhis  = 4 << 20
)

// Check holds a module against the limits. It needs no validation before it.
func Check(m *module.Module, l Limits) error {
	if m.HasStart {
		return fmt.Errorf("%w: a start section runs code before anything is checked", module.ErrFeature)
	}
	for _, e := range m.Exports {
		if e.Name == Fuel || e.Name == Stack {
			return fmt.Errorf("export %q is the meter's own name", e.Name)
		}
	}
	for _, i := range m.Imports {
		if i.Kind != module.KindFunc {
			return fmt.Errorf("import %q %q is not a function", i.Module, i.Name)
		}
	}
	for _, c := range []struct {
		what    string
		n, most int
	}{
		{"functions", len(m.Funcs) + len(m.Imports), MaxFunctions},
		{"types", len(m.Types), MaxTypes},
		{"globals", len(m.Globals), MaxGlobals},
		{"tables", len(m.Tables), MaxTables},
		{"memories", len(m.Memories), 1},
	} {
		if c.n > c.most {
			return fmt.Errorf("%d %s are more than %d", c.n, c.what, c.most)
		}
	}
	for _, t := range m.Types {
		if len(t.Params) > MaxLocals || len(t.Results) > MaxResults {
			return fmt.Errorf("a type has %d parameters and %d results: more than %d and %d",
				len(t.Params), len(t.Results), MaxLocals, MaxResults)
		}
	}
	if err := checkLimits(m, l); err != nil {
		return err
	}
	return checkBodies(m)
}

func checkLimits(m *module.Module, l Limits) error {
	for _, t := range m.Tables {
		if t.Min > l.Elems {
			return fmt.Errorf("a table of %d elements is larger than %d", t.Min, l.Elems)
		}
	}
	for _, mem := range m.Memories {
		if mem.Min > l.Pages {
			return fmt.Errorf("memory of %d pages is larger than the module's limit of %d", mem.Min, l.Pages)
		}
	}
	return nil
}

func checkBodies(m *module.Module) error {
	var total weight
	for i, b := range m.Bodies {
		w, err := weigh(m, b, i)
		if err != nil {
			return fmt.Errorf("function %d: %w", i, err)
		}
		total.loops += w.loops
		total.phis += w.phis
	}
	switch {
	case total.loops > MaxTotalLoops:
		return fmt.Errorf("%d loops are more than %d", total.loops, MaxTotalLoops)
	case total.phis > MaxTotalPhis:
		return fmt.Errorf("locals times blocks of all functions are %d, more than %d", total.phis, MaxTotalPhis)
	}
	return nil
}

// A weight is what a compiler's work grows with.
type weight struct{ loops, phis int64 }

// weigh holds one function against the limits.
func weigh(m *module.Module, b module.Body, i int) (weight, error) {
	if len(b.Code) > MaxBody {
		return weight{}, fmt.Errorf("%d bytes of code are more than %d", len(b.Code), MaxBody)
	}
	locals := int64(0)
	for _, l := range b.Locals {
		locals += int64(l.N)
	}
	if t, ok := m.FuncType(uint32(m.ImportedFuncs() + i)); ok {
		locals += int64(len(t.Params))
	}
	if locals > MaxLocals {
		return weight{}, fmt.Errorf("%d locals are more than %d", locals, MaxLocals)
	}
	blocks, loops := int64(1), int64(0)
	d := module.Decode(b.Code)
	for d.Next() {
		switch d.Instr.Op {
		case module.Loop:
			loops++
			blocks++
		case module.Block, module.If, module.BrIf:
			blocks++
		case module.BrTable:
			blocks += 1 + int64(d.Instr.Index)
		}
	}
	switch phis := locals * blocks; {
	case d.Err() != nil:
		return weight{}, d.Err()
	case blocks > MaxBlocks:
		return weight{}, fmt.Errorf("%d blocks and branches are more than %d", blocks, MaxBlocks)
	case loops > MaxLoops:
		return weight{}, fmt.Errorf("%d loops are more than %d", loops, MaxLoops)
	case phis > MaxPhis:
		return weight{}, fmt.Errorf("%d locals times %d blocks are more than %d", locals, blocks, MaxPhis)
	default:
		return weight{loops, phis}, nil
	}
}

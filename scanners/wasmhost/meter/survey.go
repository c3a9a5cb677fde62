package meter

import "github.com/opaquevault/ov/scanners/wasmhost/module"

// What instructions cost, in units of 0.1 to 0.3 ns on today's machines. The
// default is one; these take longer.
const (
	costMemory     = 2    // a load or store, which may miss the cache
	costDivide     = 8    // integer division, square roots
	costCall       = 3    // the callee's frame is charged at its entry
	costCharge     = 4    // what charging itself takes: a load waits for the store before it
	costHost       = 1024 // leaves the compiled code: imports, memory.grow, table.grow, ref.func
	costBulk       = 8    // memory.copy and the like, and one for each 1<<bulkShift bytes
	bulkShift      = 4
	costPage       = 4096
	frameBase      = 64 // bytes of stack that every frame takes
	frameSlot      = 8  // bytes of stack that a local or a value takes
	frameSlotLarge = 16 // the same where there are vectors
)

// A plan is what a body will pay, and where.
type plan struct {
	entry   int64          // at its entry
	charges map[int]charge // after the instruction that ends at an offset
	frame   int64          // bytes of stack at most
	calls   bool           // it calls functions of the module, so that frames pile up
	lengths bool           // it has instructions that are charged by length
}

// A charge is paid at one place. The check that there was enough can wait until
// the next loop header or function entry: nothing runs twice before that.
type charge struct {
	cost    int64
	checked bool
}

// A region is the code that runs at most once for each pass of its header: a
// function's, or a loop's, but for the loops in it.
type region struct {
	header int // offset; -1 for the function's entry
	total  int64
}

// largeRegion is the cost from which on a region pays by the parts that really
// run. Below, one charge at the header for all of it is cheaper than it is
// wrong. Go compiles each function to one loop around all of its blocks.
const largeRegion = 128

// survey adds up a body, in two passes: what the regions cost, then where they
// pay it.
func survey(m *module.Module, b module.Body) (plan, error) {
	imported := uint32(m.ImportedFuncs())
	regions, err := measure(b.Code, imported)
	if err != nil {
		return plan{}, err
	}
	p := plan{charges: map[int]charge{}}
	p.place(b.Code, regions, imported)
	p.size(b, imported)
	return p, nil
}

// measure returns the regions of a body by their headers.
func measure(code []byte, imported uint32) (map[int]*region, error) {
	function := &region{header: -1}
	regions := map[int]*region{-1: function}
	stack := []*region{function}
	d := module.Decode(code)
	for d.Next() && len(stack) > 0 {
		in, inner := d.Instr, stack[len(stack)-1]
		inner.total += cost(in, imported)
		switch in.Op {
		case module.Loop:
			inner = &region{header: in.End}
			regions[in.End] = inner
			stack = append(stack, inner)
		case module.Block, module.If:
			stack = append(stack, inner)
		case module.End:
			stack = stack[:len(stack)-1]
		}
	}
	return regions, d.Err()
}

// place decides where the cost of each instruction is paid: at its region's
// header, or, in a large region, at the last branch or join before it.
func (p *plan) place(code []byte, regions map[int]*region, imported uint32) {
	p.charges[-1] = charge{costCharge, true}
	at := -1 // where instructions are paid
	stack := []*region{regions[-1]}
	for d := module.Decode(code); d.Next() && len(stack) > 0; {
		in := d.Instr
		c := p.charges[at]
		c.cost += cost(in, imported)
		p.charges[at] = c
		join := false
		switch in.Op {
		case module.Loop:
			at = in.End
			p.charges[at] = charge{costCharge, true}
			stack = append(stack, regions[at])
			continue
		case module.Block:
			stack = append(stack, stack[len(stack)-1])
		case module.If:
			stack, join = append(stack, stack[len(stack)-1]), true
		case module.Else:
			join = true
		case module.End:
			stack, join = stack[:len(stack)-1], true
		}
		if !join || len(stack) == 0 {
			continue
		}
		if r := stack[len(stack)-1]; r.total <= largeRegion {
			at = r.header
		} else {
			at = in.End
		}
	}
	p.entry = p.charges[-1].cost
	delete(p.charges, -1)
}

// size adds up the rest: locals, frame, and what the body has need of.
func (p *plan) size(b module.Body, imported uint32) {
	values, vectors := int64(0), false
	for d := module.Decode(b.Code); d.Next(); {
		in := d.Instr
		if makesValue(in.Op) {
			values++
		}
		vectors = vectors || in.Op == module.SIMD
		p.lengths = p.lengths || byLength(in)
		p.calls = p.calls || in.Op == module.CallIndirect || in.Op == module.Call && in.Index >= imported
	}
	slots := int64(0)
	for _, l := range b.Locals {
		slots += int64(l.N)
		vectors = vectors || l.Type == module.V128
	}
	p.entry += slots
	slot := int64(frameSlot)
	if vectors {
		slot = frameSlotLarge
	}
	p.frame = frameBase + slot*(slots+values)
}

// makesValue reports whether an instruction makes a value that the engine may
// have to keep in the frame: all but branches, reads of a local, which name a
// value that is there, and what stores or drops one. A write of a local counts,
// for it may become a value of its own where branches meet.
func makesValue(op byte) bool {
	switch {
	case op < module.Call, op == 0x1a, op == module.LocalGet, op == 0x24, op >= 0x36 && op <= 0x3e:
		return false // control, drop, local.get, global.set, stores
	}
	return true
}

func cost(in module.Instr, imported uint32) int64 {
	switch op := in.Op; {
	case op == module.Block, op == module.Else, op == module.End, op == 0x01:
		return 0 // no code
	case op >= 0x28 && op <= 0x3e:
		return costMemory
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82, op == 0x91, op == 0x95, op == 0x9f, op == 0xa3:
		return costDivide // i32 and i64 div and rem, f32 and f64 div and sqrt
	case op == module.Call && in.Index < imported, op == module.MemoryGrow, op == module.RefFunc:
		return costHost
	case op == module.Misc && in.Sub == module.TableGrow:
		return costHost
	case op == module.Call, op == module.CallIndirect:
		return costCall
	case byLength(in):
		return costBulk
	case op == module.SIMD:
		return costMemory
	}
	return 1
}

// byLength reports whether the instruction's time depends on the number on top
// of the stack.
func byLength(in module.Instr) bool {
	if in.Op != module.Misc {
		return in.Op == module.MemoryGrow
	}
	switch in.Sub {
	case module.MemoryInit, module.MemoryCopy, module.MemoryFill,
		module.TableInit, module.TableCopy, module.TableGrow, module.TableFill:
		return true
	}
	return false
}

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

// A plan is what a body will pay, and for what.
type plan struct {
	entry   int64         // cost of what runs once a call
	loops   map[int]int64 // offset just past a loop's header -> cost of an iteration
	frame   int64         // bytes of stack at most
	calls   bool          // it calls functions of the module, so that frames pile up
	lengths bool          // it has instructions that are charged by length
}

// survey adds up a body. An instruction belongs to the innermost loop around it:
// only loops go backward, so it runs at most once for each pass of that header.
func survey(m *module.Module, b module.Body) (plan, error) {
	p := plan{loops: map[int]int64{}}
	type block struct{ loop int } // offset of the loop that instructions in it belong to, -1 for none
	blocks := []block{{-1}}
	imported := uint32(m.ImportedFuncs())
	values, vectors := int64(0), false
	d := module.Decode(b.Code)
	for d.Next() {
		in := d.Instr
		values++
		vectors = vectors || in.Op == module.SIMD
		p.lengths = p.lengths || byLength(in)
		p.calls = p.calls || in.Op == module.CallIndirect || in.Op == module.Call && in.Index >= imported
		inner := blocks[len(blocks)-1]
		switch in.Op {
		case module.Loop:
			p.loops[in.End] = costCharge
			blocks = append(blocks, block{in.End})
			continue
		case module.Block, module.If:
			blocks = append(blocks, inner)
		case module.End:
			blocks = blocks[:len(blocks)-1]
			if len(blocks) == 0 {
				break
			}
		}
		if inner.loop < 0 {
			p.entry += cost(in, imported)
		} else {
			p.loops[inner.loop] += cost(in, imported)
		}
		if len(blocks) == 0 {
			break
		}
	}
	slots := int64(0)
	for _, l := range b.Locals {
		slots += int64(l.N)
		vectors = vectors || l.Type == module.V128
	}
	p.entry += costCharge + slots
	slot := int64(frameSlot)
	if vectors {
		slot = frameSlotLarge
	}
	p.frame = frameBase + slot*(slots+values)
	return p, d.Err()
}

func cost(in module.Instr, imported uint32) int64 {
	switch op := in.Op; {
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

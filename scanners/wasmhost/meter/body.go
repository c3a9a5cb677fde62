package meter

import "github.com/opaquevault/ov/scanners/wasmhost/module"

// A writer writes the instructions of one metered body.
type writer struct {
	*rewriter
	b      []byte
	fuelAt uint32 // local: fuel left
	tempAt uint32 // local: a length, or stack left
}

// body returns a body with the charges of its plan in it.
//
//	charge the entry; take the frame
//	block                  -- stands in for the function's own label, so that
//	  ...                  -- every branch to it, and every return, ends here
//	end
//	give the frame back
func (w *rewriter) body(b module.Body, t module.FuncType, p plan) []byte {
	e := &writer{rewriter: w}
	e.locals(b, t, p)
	e.charge(p.entry + int64(len(t.Params)))
	if p.calls {
		e.takeFrame(clamp32(p.frame + frameSlotLarge*int64(len(t.Params)+len(t.Results))))
		e.b = append(e.b, module.Block)
		e.b = append(e.b, w.blockType(t.Results)...)
	}
	e.instructions(b.Code, p)
	if p.calls {
		e.giveFrame(clamp32(p.frame + frameSlotLarge*int64(len(t.Params)+len(t.Results))))
		e.b = append(e.b, module.End)
	}
	return e.b
}

// locals declares ours after the body's own: no index moves.
func (e *writer) locals(b module.Body, t module.FuncType, p plan) {
	n := uint32(len(t.Params))
	for _, l := range b.Locals {
		n += l.N
	}
	e.fuelAt, e.tempAt = n, n+1
	groups := len(b.Locals) + 1
	if p.calls || p.lengths {
		groups++
	}
	e.b = module.AppendU32(e.b, uint32(groups))
	for _, l := range b.Locals {
		e.b = append(module.AppendU32(e.b, l.N), l.Type)
	}
	e.b = append(e.b, 1, module.I64)
	if p.calls || p.lengths {
		e.b = append(e.b, 1, module.I32)
	}
}

// instructions copies the code with charges in it. With a block around it, a
// return becomes a branch to that block.
func (e *writer) instructions(code []byte, p plan) {
	depth := uint32(0)
	for d := module.Decode(code); d.Next(); {
		in := d.Instr
		switch in.Op {
		case module.Block, module.Loop, module.If:
			depth++
		case module.End:
			depth--
		case module.Return:
			if p.calls {
				e.indexed(module.Br, depth)
				continue
			}
		}
		if byLength(in) {
			e.chargeLength(in)
		}
		e.b = append(e.b, code[in.Start:in.End]...)
		if c := p.charges[in.End]; c.checked {
			e.charge(c.cost)
		} else if c.cost > 0 {
			e.note(c.cost)
		}
	}
}

// charge takes a fixed amount of fuel, and traps if there is not so much.
func (e *writer) charge(n int64) {
	e.indexed(module.GlobalGet, e.fuel)
	e.b = module.AppendInt(append(e.b, module.I64Const), n)
	e.pay()
}

// note takes a fixed amount of fuel, to be missed at the next charge.
func (e *writer) note(n int64) {
	e.indexed(module.GlobalGet, e.fuel)
	e.b = append(module.AppendInt(append(e.b, module.I64Const), n), 0x7d) // i64.sub
	e.indexed(module.GlobalSet, e.fuel)
}

// pay subtracts the number on top of the stack from the one below it.
func (e *writer) pay() {
	e.b = append(e.b, 0x7d) // i64.sub
	e.indexed(module.LocalTee, e.fuelAt)
	e.indexed(module.GlobalSet, e.fuel)
	e.indexed(module.LocalGet, e.fuelAt)
	e.b = append(e.b, module.I64Const, 0, 0x53) // i64.lt_s
	e.trap()
}

// trap ends the guest if the number on top of the stack is not zero.
func (e *writer) trap() {
	e.b = append(e.b, module.If, 0x40, module.Unreachable, module.End)
}

// chargeLength charges for the length on top of the stack and leaves it there.
func (e *writer) chargeLength(in module.Instr) {
	e.indexed(module.LocalTee, e.tempAt)
	e.indexed(module.GlobalGet, e.fuel)
	e.indexed(module.LocalGet, e.tempAt)
	switch {
	case in.Op == module.MemoryGrow: // more than the limit fails at once
		e.atMost(e.limits.Pages)
		e.b = append(e.b, 0xad) // i64.extend_i32_u
		e.b = module.AppendInt(append(e.b, module.I64Const), costPage)
		e.b = append(e.b, 0x7e) // i64.mul
	case in.Sub == module.TableGrow:
		e.atMost(e.limits.Elems)
		e.b = append(e.b, 0xad)
	case in.Sub == module.TableInit, in.Sub == module.TableCopy, in.Sub == module.TableFill:
		e.b = append(e.b, 0xad)
	default:
		e.b = append(e.b, 0xad)
		e.b = append(e.b, module.I64Const, bulkShift, 0x88) // i64.shr_u
	}
	e.pay()
}

// atMost turns our temporary, which is on top of the stack, into the smaller of
// it and a constant.
func (e *writer) atMost(most uint32) {
	limit := module.AppendInt([]byte{module.I32Const}, int64(most))
	e.b = append(e.b, limit...)
	e.indexed(module.LocalGet, e.tempAt)
	e.b = append(e.b, limit...)
	e.b = append(e.b, 0x49, module.Select) // i32.lt_u
}

// takeFrame takes n bytes of stack, and traps if there are not so many.
func (e *writer) takeFrame(n int32) {
	e.indexed(module.GlobalGet, e.stack)
	e.b = module.AppendInt(append(e.b, module.I32Const), int64(n))
	e.b = append(e.b, 0x6b) // i32.sub
	e.indexed(module.LocalTee, e.tempAt)
	e.indexed(module.GlobalSet, e.stack)
	e.indexed(module.LocalGet, e.tempAt)
	e.b = append(e.b, module.I32Const, 0, 0x48) // i32.lt_s
	e.trap()
}

func (e *writer) giveFrame(n int32) {
	e.indexed(module.GlobalGet, e.stack)
	e.b = module.AppendInt(append(e.b, module.I32Const), int64(n))
	e.b = append(e.b, 0x6a) // i32.add
	e.indexed(module.GlobalSet, e.stack)
}

func (e *writer) indexed(op byte, index uint32) {
	e.b = module.AppendU32(append(e.b, op), index)
}

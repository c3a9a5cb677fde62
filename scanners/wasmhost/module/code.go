package module

import (
	"fmt"
)

// Opcodes that matter to someone.
const (
	Unreachable  = 0x00
	Block        = 0x02
	Loop         = 0x03
	If           = 0x04
	Else         = 0x05
	End          = 0x0b
	Br           = 0x0c
	BrIf         = 0x0d
	BrTable      = 0x0e
	Return       = 0x0f
	Call         = 0x10
	CallIndirect = 0x11
	Select       = 0x1b
	LocalGet     = 0x20
	LocalTee     = 0x22
	GlobalGet    = 0x23
	GlobalSet    = 0x24
	MemoryGrow   = 0x40
	I32Const     = 0x41
	I64Const     = 0x42
	RefFunc      = 0xd2
	Misc         = 0xfc // a second opcode follows
	SIMD         = 0xfd // a second opcode follows
)

// Second opcodes after Misc that work on a length.
const (
	MemoryInit = 8
	MemoryCopy = 10
	MemoryFill = 11
	TableInit  = 12
	TableCopy  = 14
	TableGrow  = 15
	TableFill  = 17
)

// An Instr is one instruction.
type Instr struct {
	Op         byte
	Sub        uint32 // second opcode after Misc and SIMD
	Index      uint32 // of the function, local, global or label; of BrTable the number of targets
	Start, End int    // in the body's code
}

// A Decoder walks over the instructions of a body.
type Decoder struct {
	Instr Instr
	r     reader
}

// Decode returns a Decoder for a body's code.
func Decode(code []byte) *Decoder { return &Decoder{r: reader{b: code}} }

// Err returns what stopped the walk, nil at the end of the code.
func (d *Decoder) Err() error { return d.r.err }

// Next reads one instruction into d.Instr.
func (d *Decoder) Next() bool {
	if !d.r.more() {
		return false
	}
	d.Instr = Instr{Start: d.r.off}
	d.Instr.Op = d.r.byte()
	d.immediates()
	d.Instr.End = d.r.off
	return d.r.err == nil
}

func (d *Decoder) immediates() {
	r, op := &d.r, d.Instr.Op
	switch {
	case op >= 0x45 && op <= 0xc4, op == 0xd1: // numbers, ref.is_null
	case op == 0x00, op == 0x01, op == Else, op == End, op == Return, op == 0x1a, op == Select:
	case op == Block, op == Loop, op == If:
		r.signed(33)
	case op == Br, op == BrIf, op == Call, op == RefFunc, op >= 0x20 && op <= 0x26:
		d.Instr.Index = r.u32()
	case op == BrTable:
		n := r.count(1)
		d.Instr.Index = uint32(n)
		for range n + 1 {
			r.u32()
		}
	case op == CallIndirect:
		r.u32()
		r.u32()
	case op == 0x1c: // select with types
		r.take(r.count(1))
	case op >= 0x28 && op <= 0x3e:
		memarg(r)
	case op == 0x3f, op == MemoryGrow, op == 0xd0: // memory index; type of ref.null
		r.byte()
	case op == I32Const:
		r.signed(32)
	case op == I64Const:
		r.signed(64)
	case op == 0x43:
		r.take(4)
	case op == 0x44:
		r.take(8)
	case op == Misc:
		d.misc()
	case op == SIMD:
		d.simd()
	default:
		r.fail(refuse(op))
	}
}

func memarg(r *reader) {
	r.u32()
	r.u32()
}

func (d *Decoder) misc() {
	r := &d.r
	d.Instr.Sub = r.u32()
	switch s := d.Instr.Sub; {
	case s <= 7: // saturating truncation
	case s == MemoryInit, s == MemoryCopy, s == TableInit, s == TableCopy:
		r.u32()
		r.u32()
	case s <= 17:
		r.u32()
	default:
		r.fail(fmt.Errorf("unknown instruction 0xfc %d", s))
	}
}

func (d *Decoder) simd() {
	r := &d.r
	d.Instr.Sub = r.u32()
	switch s := d.Instr.Sub; {
	case s <= 11, s == 92, s == 93:
		memarg(r)
	case s == 12, s == 13:
		r.take(16)
	case s >= 21 && s <= 34:
		r.byte()
	case s >= 84 && s <= 91:
		memarg(r)
		r.byte()
	case s > 255:
		r.fail(fmt.Errorf("%w: relaxed SIMD", ErrFeature))
	}
}

// refuse names the proposal that an opcode belongs to.
func refuse(op byte) error {
	feature := ""
	switch op {
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		feature = "exceptions"
	case 0x12, 0x13:
		feature = "tail calls"
	case 0x14, 0x15, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb:
		feature = "garbage collection"
	case 0xfe:
		feature = "threads"
	default:
		return fmt.Errorf("unknown instruction %#x", op)
	}
	return fmt.Errorf("%w: %s", ErrFeature, feature)
}

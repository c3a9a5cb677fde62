package redact

// esc begins an escape sequence of a terminal.
const esc = 0x1b

// Where an escape sequence is.
const (
	plain   = iota // in none
	escaped        // after ESC
	control        // after ESC [: parameters, then a letter
	text           // after ESC ] and the like: any text, up to BEL or ESC
)

// maxEscape is how long an escape sequence may be. What follows is text again,
// so that nothing hides in a sequence that does not end.
const maxEscape = 1024

// escape is the state of an escape sequence. It depends on the bytes from its
// ESC on and on nothing before.
type escape struct {
	mode uint8
	n    uint16 // bytes of the sequence
}

// skip returns the end of the sequence that goes on at p[i:], or len(p). The
// first byte that cannot belong to it is not part of it.
func (e *escape) skip(p []byte, i int) int {
	for ; i < len(p) && e.mode != plain; i++ {
		if e.n++; e.n > maxEscape || !e.takes(p[i]) {
			e.mode = plain
			break
		}
	}
	if e.mode == plain {
		e.n = 0
	}
	return i
}

// takes reports whether c belongs to the sequence, and moves on.
func (e *escape) takes(c byte) bool {
	switch {
	case c == esc:
		e.mode, e.n = escaped, 0
		return true
	case c == 7 && e.mode == text:
		e.mode = plain
		return true
	case c < 0x20 || c == 0x7f:
		return false
	case e.mode == escaped:
		e.introduce(c)
	case e.mode == control && c >= 0x40:
		e.mode = plain
		return c < 0x7f
	}
	return true
}

// introduce looks at a byte right after ESC.
func (e *escape) introduce(c byte) {
	switch c {
	case '[':
		e.mode = control
	case ']', 'P', 'X', '^', '_':
		e.mode = text
	default:
		if c >= 0x30 {
			e.mode = plain
		}
	}
}

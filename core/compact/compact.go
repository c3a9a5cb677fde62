package compact

// Block is how many bytes are compacted at once.
const Block = 64

// A Set is the bytes that are kept, and the bits that are set in them.
type Set struct {
	kept [256]uint8 // 1 or 0
	bits byte
	rows rows
	fast bool // the processor and the set allow it
}

// rows is the set as two shuffles look it up. A byte below 0x80 is of the other
// kind than those above if low, by its low half, and high, by its high half, have
// a bit in common. Those above are kept if flip is 0, and left out if it is -1.
type rows struct {
	low, high, half, bits [16]byte
	flip                  int64
}

// New returns the set without the bytes for which leave holds. What is kept is
// copied with bits set in it: 0x20 makes small letters of capitals.
func New(leave func(c byte) bool, bits byte) *Set {
	s := &Set{bits: bits, fast: vector}
	above := leave(0x80)
	if above {
		s.rows.flip = -1
	}
	for c := range 256 {
		out := leave(byte(c))
		if !out {
			s.kept[c] = 1
		}
		switch {
		case out == above:
		case c >= 0x80:
			s.fast = false
		default:
			s.rows.low[c&15] |= 1 << (c >> 4)
		}
	}
	for i := range 16 {
		s.rows.half[i], s.rows.bits[i] = 15, bits
		if i < 8 {
			s.rows.high[i] = 1 << i
		}
	}
	return s
}

// Keeps reports whether c is kept.
func (s *Set) Keeps(c byte) bool { return s.kept[c] != 0 }

// Count returns how many bytes of src are kept.
func (s *Set) Count(src []byte) (n int) {
	for _, c := range src {
		n += int(s.kept[c])
	}
	return n
}

// Copy copies the bytes of src that are kept to dst, which is as long as src at
// least and does not overlap it, and returns how many they are. What is behind
// them in dst may be overwritten too, as far as src is long.
func (s *Set) Copy(dst, src []byte) (n int) {
	// Each byte is stored and then kept or overwritten: there is no branch to
	// mispredict.
	dst = dst[:len(src)]
	for _, c := range src {
		dst[n] = c | s.bits
		n += int(s.kept[c])
	}
	return n
}

// Blocks does the same for the first len(starts) blocks of src, or up to the
// first one of which no byte is kept, that one included. It returns how many
// blocks that are and how many bytes were kept; starts[k] tells where in dst
// those of block k begin.
func (s *Set) Blocks(dst, src []byte, starts []int32) (blocks, n int) {
	if len(starts) == 0 {
		return 0, 0
	}
	dst, src = dst[:len(starts)*Block], src[:len(starts)*Block]
	if s.fast {
		return copyBlocks(&dst[0], &src[0], &starts[0], len(starts), &s.rows, &shuffles)
	}
	return s.blocks(dst, src, starts)
}

func (s *Set) blocks(dst, src []byte, starts []int32) (blocks, n int) {
	for k := range starts {
		starts[k] = int32(n)
		n += s.Copy(dst[n:], src[k*Block:(k+1)*Block])
		if n == int(starts[k]) {
			return k + 1, n
		}
	}
	return len(starts), n
}

// shuffles moves, for each set of eight bytes, those bytes to the front.
var shuffles = func() (t [256][8]byte) {
	for m := range t {
		n := 0
		for i := range byte(8) {
			if m>>i&1 != 0 {
				t[m][n] = i
				n++
			}
		}
	}
	return t
}()

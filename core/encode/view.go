package encode

import "slices"

// Squeeze returns what the squeezed view of a stream keeps of c: a digit as it
// is, a letter in lower case, and of anything else nothing, which is 0. Each byte
// is kept or dropped on its own, whatever stands beside it, so that the view of a
// value does not depend on its neighbours: `\x73` becomes x73, and a form says so.
//
// Much that programs put between the pieces of a value when they wrap, dump, list,
// quote or escape it is then gone: white space, control characters, punctuation,
// the padding of base64 and all characters beyond ASCII, the invisible ones among
// them. So are the differences between the alphabets of base64, between capital
// and small hex, and between the ways to put a backslash before a sign.
func Squeeze(c byte) byte { return squeezed[c] }

// Separator reports whether the squeezed view leaves c out.
func Separator(c byte) bool { return squeezed[c] == 0 }

var squeezed = func() (t [256]byte) {
	for c := range t {
		if alphanumeric(byte(c)) {
			t[c] = toLower(byte(c))
		}
	}
	return t
}()

// squeeze adds the form of the text that enc appends, as the view keeps it.
func (s *Source) squeeze(kind string, dense bool, enc func(dst []byte) []byte) *Form {
	return s.squeezed(kind, dense, false, enc)
}

// squeezeBack does the same and turns the form round.
func (s *Source) squeezeBack(kind string, dense bool, enc func(dst []byte) []byte) {
	s.squeezed(kind, dense, true, enc).backwards()
}

func (s *Source) squeezed(kind string, dense, turn bool, enc func(dst []byte) []byte) *Form {
	var seats []int32
	from := s.offset(s.text)
	f := s.make(kind, dense, func(dst []byte) []byte {
		start := len(dst)
		dst = enc(dst)
		whole := dst[start:]
		if dense && slices.ContainsFunc(whole, Separator) {
			seats = make([]int32, 0, len(whole)+1)
		}
		kept := dst[:start]
		for i, c := range whole {
			if squeezed[c] == 0 {
				continue
			}
			if seats != nil {
				seats = append(seats, int32(from+i*len(s.text)/len(whole)))
			}
			kept = append(kept, squeezed[c])
		}
		if seats != nil {
			seats = append(seats, int32(from+len(s.text)))
		}
		if turn {
			slices.Reverse(kept[start:])
		}
		return kept
	})
	if f != nil {
		f.at = seats
		f.covered = f.Dense && s.solid() && kind != "exact" && kind != "hex"
	}
	return f
}

// backwards marks a form as one that spells the value from its end on.
func (f *Form) backwards() {
	if f != nil {
		f.reverse = true
	}
}

// grouped says that what prints the form prints so many bytes together: no
// fragment begins between them.
func (f *Form) grouped(n int) {
	if f != nil {
		f.step = n
	}
}

// Covered reports whether the windows of the form cover the whole of it: then
// there is no need to look for it as a whole. Where a
// match may start depends on what is around it, so that of a text in pieces of
// odd length up to three characters at the end may be in no window: the plainest
// forms are not called covered for that.
func (f Form) Covered(least int) bool { return f.covered && len(f.Bytes) >= f.Window(least) }

// solid reports whether every run of bytes of the text that a fragment can spell
// says enough.
func (s *Source) solid() bool {
	if s.judged == 0 {
		s.judged = -1
		if s.everyRun() {
			s.judged = 1
		}
	}
	return s.judged > 0
}

// everyRun looks at the runs of up to twice the least length: a longer one is
// made of such.
func (s *Source) everyRun() bool {
	info, from := s.priced(), s.offset(s.text)
	for a := from; a+minSource <= from+len(s.text); a++ {
		for b := a + minSource; b < a+2*minSource && b <= from+len(s.text); b++ {
			if info[b]-info[a] < uint32(b-a)*perByte {
				return false
			}
		}
	}
	return true
}

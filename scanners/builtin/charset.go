package builtin

// A set is a set of bytes.
type set [256]bool

// newSet makes a set of the bytes and ranges in s: "a-z0-9_-", a dash last.
func newSet(s string) *set {
	var t set
	for i := 0; i < len(s); i++ {
		if i+2 < len(s) && s[i+1] == '-' {
			for c := int(s[i]); c <= int(s[i+2]); c++ {
				t[c] = true
			}
			i += 2
			continue
		}
		t[s[i]] = true
	}
	return &t
}

func (s *set) has(c byte) bool { return s[c] }

// run returns the end of the run of bytes of the set that starts at i.
func (s *set) run(b []byte, i int) int {
	for i < len(b) && s[b[i]] {
		i++
	}
	return i
}

// The alphabets of tokens.
var (
	alnum    = newSet("a-zA-Z0-9")
	word     = newSet("a-zA-Z0-9_")
	dashed   = newSet("a-zA-Z0-9_-")
	dotted   = newSet("a-zA-Z0-9_.-")
	padded   = newSet("a-zA-Z0-9_=-")
	lowHex   = newSet("0-9a-f")
	anyHex   = newSet("0-9a-fA-F")
	upper    = newSet("A-Z0-9")
	constant = newSet("A-Z0-9_")
	base32   = newSet("A-Z2-7")
	lower    = newSet("a-z0-9")
	base64   = newSet("a-zA-Z0-9+/=")
	either   = newSet("a-zA-Z0-9+/=_-") // both base64 alphabets
	comma    = newSet("a-zA-Z0-9+/=_,-")
	digit    = newSet("0-9")
	pathy    = newSet("a-zA-Z0-9_/-")
)

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLower(c byte) bool  { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool  { return 'A' <= c && c <= 'Z' }
func isLetter(c byte) bool { return isLower(c | 0x20) }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }
func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func fold(c byte) byte {
	if isUpper(c) {
		return c | 0x20
	}
	return c
}

// lowered writes b in lower case to dst, which is as long at least, and returns
// it.
func lowered(dst, b []byte) []byte {
	for i, c := range b {
		dst[i] = fold(c)
	}
	return dst[:len(b)]
}

// equalFold compares without regard to ASCII case; k is in lower case.
func equalFold(b []byte, k string) bool {
	if len(b) != len(k) {
		return false
	}
	for i := range b {
		if fold(b[i]) != k[i] {
			return false
		}
	}
	return true
}

// behind is how much boundary looks back at.
const behind = 16

// boundary reports whether a token may start at at: the byte before is none of a
// word, or it ends an escape: \n, \u003d, %3D, an ANSI colour.
func boundary(b []byte, at int) bool {
	if at == 0 || !isAlnum(b[at-1]) {
		return true
	}
	return escaped(b, at)
}

// escaped reports whether the letters and digits just before at end an escape.
func escaped(b []byte, at int) bool {
	low := max(0, at-behind)
	c := b[at-1]
	switch {
	case at-2 >= low && b[at-2] == '\\' && (c == 'n' || c == 't' || c == 'r' || c == 'b' || c == 'f'):
		return true // \n
	case at-3 >= low && b[at-3] == '%' && anyHex[b[at-2]] && anyHex[c]:
		return true // %3D
	case at-4 >= low && b[at-4] == '\\' && b[at-3] == 'x' && anyHex[b[at-2]] && anyHex[c]:
		return true // \x1b
	case at-6 >= low && b[at-6] == '\\' && b[at-5] == 'u' && anyHex[b[at-2]] && anyHex[c]:
		return true // \u003d
	case c == 'm' || c == 'K':
		i := at - 2
		for i >= low && (isDigit(b[i]) || b[i] == ';') {
			i--
		}
		return i >= low && b[i] == '[' // ESC [ 0 m, however the ESC is spelled
	}
	return false
}

// escape returns the length of the escape sequence that b starts with: a colour,
// \n, \u0022, \x1b, %3D, &quot;. 0 if there is none.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[0] {
	case 0x1b:
		return ansi(b)
	case '\\':
		switch c := b[1]; {
		case c == 'u' && len(b) >= 6 && isHex(b[2:6]):
			if isHex(b[2:6]) && string(b[2:5]) == "001" && fold(b[5]) == 'b' {
				return 6 + color(b[6:])
			}
			return 6
		case (c == 'x' || c == 'e') && len(b) >= 4:
			if c == 'x' && isHex(b[2:4]) {
				return 4 + color(b[4:])
			}
			if c == 'e' && b[2] == '[' {
				return 2 + color(b[2:])
			}
		case c == '0' && len(b) >= 4 && string(b[1:4]) == "033":
			return 4 + color(b[4:])
		case c == 'n' || c == 't' || c == 'r' || c == '"' || c == '\'' || c == '\\' || c == '/':
			return 2
		}
	case '%':
		if len(b) >= 3 && isHex(b[1:3]) {
			return 3
		}
	case '&':
		switch b[1] {
		case 'q', 'a', 'g', 'l', 'n', '#':
		default:
			return 0
		}
		for _, e := range []string{"&quot;", "&#34;", "&#39;", "&#x27;", "&apos;", "&gt;", "&lt;", "&nbsp;", "&#61;", "&#58;"} {
			if len(b) >= len(e) && string(b[:len(e)]) == e {
				return len(e)
			}
		}
	}
	return 0
}

func isHex(b []byte) bool {
	for _, c := range b {
		if !anyHex[c] {
			return false
		}
	}
	return true
}

// ansi returns the length of the ANSI sequence that b starts with.
func ansi(b []byte) int {
	switch b[1] {
	case '[':
		return 1 + color(b[1:])
	case '(', ')':
		return min(3, len(b))
	case ']': // a title or a link: to BEL or ESC backslash
		for i := 2; i < min(len(b), 200); i++ {
			if b[i] == 7 {
				return i + 1
			}
			if b[i] == 0x1b && i+1 < len(b) {
				return i + 2
			}
		}
	}
	return 2
}

// color returns the length of "[0;1m" at the start of b.
func color(b []byte) int {
	if len(b) < 2 || b[0] != '[' {
		return 0
	}
	for i := 1; i < min(len(b), 24); i++ {
		if b[i] >= 0x40 && b[i] <= 0x7e {
			return i + 1
		}
	}
	return 0
}

// mixed reports whether b looks drawn at random: a digit in it, or upper case
// letters after lower case ones. Words and slugs are not.
func mixed(b []byte) bool {
	low := false
	for _, c := range b {
		switch {
		case isDigit(c), isUpper(c) && low:
			return true
		case isLower(c):
			low = true
		}
	}
	return false
}

// slug reports whether b is words of code run together: no figure, and a capital
// only now and then. A token of letters alone turns case far more often.
func slug(b []byte) bool {
	turns := 0
	for i, c := range b {
		if isDigit(c) {
			return false
		}
		if i > 0 && isUpper(c) && isLower(b[i-1]) {
			turns++
		}
	}
	return len(b) >= 20 && turns*7 <= len(b)
}

// filler reports whether b only stands for a value: xxxx, ****, 0000, ....
func filler(b []byte) bool {
	b = b[:min(len(b), maxJudged)]
	n := 0
	for _, c := range b {
		switch c {
		case 'x', 'X', '*', '.', '#', '0', '-', '_', 0xe2, 0x80, 0xa2:
			n++
		}
	}
	return n*10 >= len(b)*8
}

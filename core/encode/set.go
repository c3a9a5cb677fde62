package encode

// A set of bytes.
type set [256]bool

// setOf returns the bytes of s.
func setOf(s string) (t set) {
	for i := range len(s) {
		t[s[i]] = true
	}
	return t
}

// alphanumerics returns the letters, the digits and the bytes of more.
func alphanumerics(more string) set {
	t := setOf(more)
	for c := range t {
		t[c] = t[c] || alphanumeric(byte(c))
	}
	return t
}

func alphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

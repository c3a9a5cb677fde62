package encode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
)

// parts returns the secrets inside a compound value, as a program holds them
// when it has taken the value apart: the password of a URL or of a connection
// string, also without its percent-encoding, and the strings of a JSON
// document. Parts that say little (a user called postgres) are left out.
func (s *Source) parts() [][]byte {
	if s.taken {
		return s.held
	}
	s.taken = true
	keep := func(p []byte) {
		if len(p) >= minForm && len(p) < len(s.text) && New(p).telling() {
			s.held = append(s.held, p)
		}
	}
	for _, u := range urls(s.text) {
		pass := s.text[u.pass:u.passEnd]
		keep(pass)
		if plain, err := url.PathUnescape(string(pass)); err == nil && plain != string(pass) {
			keep([]byte(plain))
		}
	}
	if len(s.text) > 0 && (s.text[0] == '{' || s.text[0] == '[') {
		eachString(s.text, keep)
	} else if !bytes.ContainsAny(s.text, "\n") {
		eachSetting(s.text, keep)
	}
	return s.held
}

// telling reports whether a value says enough to be masked wherever it stands:
// the whole of it, and its dearest run of twelve bytes.
func (s *Source) telling() bool {
	n := len(s.value)
	if s.bits(0, n) < minBits {
		return false
	}
	for i := 0; ; i++ {
		end := min(i+12, n)
		if s.bits(i, end) >= uint32(end-i)*perByte {
			return true
		}
		if end == n {
			return false
		}
	}
}

// eachString calls f for each string in a JSON document that is not a name.
func eachString(doc []byte, f func([]byte)) {
	var v any
	if json.Unmarshal(doc, &v) != nil {
		return
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			f([]byte(v))
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				if !openName([]byte(name)) {
					walk(e)
				}
			}
		}
	}
	walk(v)
}

// eachSetting calls f for each value in a connection string (Password=x; or
// password=x) whose name sounds like that of a secret.
func eachSetting(p []byte, f func([]byte)) {
	for field := range bytes.FieldsFuncSeq(p, func(r rune) bool { return r == ';' || r == ' ' || r == '&' || r == '?' }) {
		name, value, ok := bytes.Cut(field, []byte("="))
		if ok && sensitive(name) {
			f(bytes.Trim(value, `"'`))
		}
	}
}

// partBases adds the base64 and the hex of the short parts that do not stand in
// the value as they are: that of the others is in the forms of the whole.
func (s *Source) partBases() {
	for _, p := range s.parts() {
		if len(p) > maxPart || bytes.Contains(s.text, p) {
			continue
		}
		for shift := range 3 {
			s.make("part-base64", false, func(dst []byte) []byte { return appendBase64(dst, p, base64.RawStdEncoding, shift) })
		}
		s.make("part-hex", false, func(dst []byte) []byte { return hex.AppendEncode(dst, p) })
	}
}

const maxPart = 256 // longer parts are keys in lines, and have their fragments

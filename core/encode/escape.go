package encode

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// escapes adds the spellings that differ from the value only where it holds a
// character that means something to the format: each family is a table of the
// dialects that are in use. Most of them agree on most values, and a form that
// is there already is not added twice.
func (s *Source) escapes() {
	if s.only(&regexpKeeps) {
		return // nothing here that any format escapes
	}
	s.make("regexp", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &regexpSpecial) })
	s.make("regexp", false, func(dst []byte) []byte { return appendBackslashed(dst, s.text, &pythonSpecial) })
	if s.only(&percentKeeps[percentShy]) {
		return
	}
	s.percents()
	s.jsons()
	s.entities()
	s.literals()
	s.shells()
}

// only reports whether all bytes of the text are in a set.
func (s *Source) only(t *set) bool {
	return !slices.ContainsFunc(s.text, func(c byte) bool { return !t[c] })
}

// A percent is a dialect of percent-encoding.
type percent struct {
	keep   *set
	plus   bool // a space becomes a plus sign
	digits string
}

var (
	regexpKeeps   = alphanumerics("_")
	unreserved    = alphanumerics("-._~")
	percentStrict = percent{keep: &unreserved, digits: upperHex}
	percentKeeps  = [...]set{
		unreserved, alphanumerics("-._~/"), alphanumerics("-._~!*'()"), alphanumerics("-._~!*'();,/?:@&=+$#"), alphanumerics("-._*"),
		alphanumerics("-._"), alphanumerics("-._~$&+,;="), alphanumerics("-._~$&+=:@"), alphanumerics("-._~$&+,/:;=@"),
		alphanumerics("@*_+-./"),
	}
)

const (
	percentTwice = 3 // the first dialects are also applied twice
	percentShy   = 5 // the dialect that keeps the fewest
)

// percents, up to three times: RFC 3986, Python's quote, JavaScript's encodeURIComponent and
// encodeURI, the form encoding of WHATWG and Java, Go's user info and path,
// JavaScript's escape.
func (s *Source) percents() {
	for i := range percentKeeps {
		d := percent{keep: &percentKeeps[i]}
		for _, d.plus = range []bool{false, true} {
			for _, d.digits = range []string{upperHex, lowerHex} {
				s.make("percent", false, func(dst []byte) []byte { return appendPercent(dst, s.text, &d) })
				if i >= percentTwice {
					continue
				}
				once := appendPercent(nil, s.text, &d)
				s.make("percent-twice", false, func(dst []byte) []byte { return appendPercent(dst, once, &d) })
				if i == 0 {
					twice := appendPercent(nil, once, &d)
					s.make("percent-thrice", false, func(dst []byte) []byte { return appendPercent(dst, twice, &d) })
				}
			}
		}
	}
	// Quoted-printable, with and without the encoding of spaces (RFC 2047).
	s.make("quoted-printable", false, func(dst []byte) []byte { return appendQuotedPrintable(dst, s.text) })
}

// appendQuotedPrintable appends p without the breaks of long lines.
func appendQuotedPrintable(dst, p []byte) []byte {
	for _, c := range p {
		if c == '=' || c < ' ' || c > '~' {
			dst = append(dst, '=', upperHex[c>>4], upperHex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendPercent appends p in the dialect d.
func appendPercent(dst, p []byte, d *percent) []byte {
	for _, c := range p {
		switch {
		case d.keep[c]:
			dst = append(dst, c)
		case c == ' ' && d.plus:
			dst = append(dst, '+')
		default:
			dst = append(dst, '%', d.digits[c>>4], d.digits[c&15])
		}
	}
	return dst
}

// A jsonDialect says what a JSON encoder escapes beyond what it must.
type jsonDialect struct {
	special set  // the bytes that are not copied, all beyond ASCII among them
	slash   bool // a slash as \/
	ascii   bool // what is not ASCII as \u
	quote   bool // a quote as \u0022
	digits  string
}

// newJSON returns a dialect that writes the characters of also as \u.
func newJSON(also string, slash, ascii, quote bool, digits string) jsonDialect {
	d := jsonDialect{setOf(also + "\"\\"), slash, ascii, quote, digits}
	for c := range 256 {
		d.special[c] = d.special[c] || c < ' ' || c >= utf8.RuneSelf || slash && c == '/'
	}
	return d
}

// JavaScript and jq; encoding/json; Python; PHP, twice; Gson; .NET.
var (
	jsonPlain    = newJSON("", false, false, false, lowerHex)
	jsonDialects = [...]jsonDialect{
		jsonPlain,
		newJSON("<>&", false, false, false, lowerHex),
		newJSON("", false, true, false, lowerHex),
		newJSON("", true, true, false, lowerHex),
		newJSON("", true, false, false, lowerHex),
		newJSON("<>&='", false, false, false, lowerHex),
		newJSON("<>&+'`\x7f", false, true, true, upperHex),
	}
)

func (s *Source) jsons() {
	for i := range jsonDialects {
		d := &jsonDialects[i]
		s.make("json", false, func(dst []byte) []byte { return appendJSON(dst, s.text, d) })
		if i < 3 {
			once := appendJSON(nil, s.text, d)
			s.make("json-json", false, func(dst []byte) []byte { return appendJSON(dst, once, d) })
		}
	}
}

// appendJSON appends p as it stands between the quotes of a JSON string.
func appendJSON(dst, p []byte, d *jsonDialect) []byte {
	for i := 0; i < len(p); {
		c := p[i]
		if !d.special[c] {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRune(p[i:])
		switch short := bytes.IndexByte([]byte("\b\f\n\r\t"), c); {
		case c == '"' && !d.quote || c == '\\' || c == '/':
			dst = append(dst, '\\', c)
		case short >= 0:
			dst = append(dst, '\\', "bfnrt"[short])
		case r == utf8.RuneError && n == 1 || r >= utf8.RuneSelf && !d.ascii:
			dst = append(dst, p[i:i+n]...)
		default:
			dst = appendU(dst, r, d.digits)
		}
		i += n
	}
	return dst
}

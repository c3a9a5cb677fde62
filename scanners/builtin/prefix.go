package builtin

import (
	"bytes"

	"github.com/opaquevault/ov/core/scan"
)

// A prefix is a rule for tokens that start with a literal of their vendor. The
// token is that literal and the run of body bytes after it.
type prefix struct {
	id     string
	keys   []string
	body   *set
	min    int // bytes of body at which the token is one
	max    int // with exact: bytes of body at most
	exact  bool
	tight  bool // looks like base64: no byte of that alphabet may stand before it
	after  bool // the key passes, only the body is masked
	fold   bool
	shape  func(body []byte) bool    // of the first min bytes
	check  func(token []byte) string // labels a whole token; it never gates
	tier   scan.Tier                 // 0 means Precise
	source string                    // where the vendor publishes the format
	eg, no string                    // the body of a made-up example; a text that is none
}

// maxToken is how much of a token is swallowed.
const maxToken = scan.MaxWindow

// rule declares p to the engine.
func (p *prefix) rule() rule {
	long := 0
	for _, k := range p.keys {
		long = max(long, len(k))
	}
	r := scan.Rule{
		ID: p.id, Keywords: p.keys, Fold: p.fold, After: p.after, Behind: behind,
		Need: long + p.min + 1, Tier: max(p.tier, scan.Precise),
	}
	if p.exact {
		r.Need = long + p.max + 1
	} else {
		r.Max, r.Swallow = maxToken, p.body.has
	}
	return rule{r, p.find}
}

func (p *prefix) find(w []byte, at int, final bool) ([]scan.Span, int) {
	if !boundary(w, at) || p.tight && at > 0 && joins(w[at-1]) {
		return nil, at
	}
	i := at + p.key(w[at:])
	end := p.body.run(w, i)
	open := end == len(w) && !final
	switch {
	case p.exact && open && end-i <= p.max, p.check != nil && open && end-i <= p.min:
		return nil, more // one byte more tells whether it ends here
	case end-i < p.min:
		return nil, unless(open, end+1)
	case p.exact && (end-i > p.max || end < len(w) && isAlnum(w[end])):
		return nil, i + p.max + 1
	}
	body := w[i : i+p.min]
	if filler(body) || p.body != upper && (!mixed(body) || slug(body)) || p.shape != nil && !p.shape(body) {
		return nil, i + p.min + 1
	}
	if p.exact && bytes.HasSuffix(w[i:end], []byte("EXAMPLE")) {
		return nil, end + 1
	}
	s := scan.Span{Start: at, End: end, Open: open && !p.exact}
	if p.after {
		s.Start = i
	}
	if p.check != nil && !open {
		s.Label = p.check(w[at:end])
	}
	return []scan.Span{s}, i + p.min + 1
}

// key returns the length of the longest key that b starts with.
func (p *prefix) key(b []byte) int {
	n := 0
	for _, k := range p.keys {
		if len(k) > n && len(b) >= len(k) && (string(b[:len(k)]) == k || p.fold && bytes.EqualFold(b[:len(k)], []byte(k))) {
			n = len(k)
		}
	}
	return n
}

// joins reports whether c, before a tight token, makes it a piece of something.
func joins(c byte) bool { return c == '+' || c == '/' || c == '-' || c == '_' || c == '.' }

// Shapes that a run of bytes does not tell.

func uuidShape(b []byte) bool {
	return b[8] == '-' && b[13] == '-' && b[18] == '-' && b[23] == '-'
}

// notHex: a letter that no hexadecimal number has.
func notHex(b []byte) bool { return anyHex.run(b, 0) < len(b) }

// slackShape: ids come first, or the token that a rotated one wraps.
func slackShape(b []byte) bool { return isDigit(b[0]) || b[0] == 'x' }

func harnessShape(b []byte) bool { return b[22] == '.' && b[47] == '.' }

func authressShape(b []byte) bool {
	return bytes.Contains(b, []byte(".acc_")) || bytes.Contains(b, []byte(".acc-"))
}

func airtableShape(b []byte) bool { return b[14] == '.' }

func resendShape(b []byte) bool { return b[8] == '_' }

func onepassShape(b []byte) bool { return b[6] == '-' }

// clickupShape: digits of the user id, then an underscore.
func clickupShape(b []byte) bool {
	i := digit.run(b, 0)
	return i > 0 && i < 12 && b[i] == '_'
}

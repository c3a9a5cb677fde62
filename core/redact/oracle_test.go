package redact

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/secret"
)

// The oracle is the specification of the package, as slow as it is plain: it
// sees the whole stream at once and tries every form at every byte.

// plainView is the squeezed view of a whole stream, byte by byte.
type plainView struct {
	text   []byte
	origin []int
	stream []byte
	gone   []bool // by byte of the stream: not in the view
}

func viewOf(stream []byte) plainView {
	v := plainView{stream: stream, gone: make([]bool, len(stream))}
	add := func(c byte, at int) {
		v.text = append(v.text, c)
		v.origin = append(v.origin, at)
	}
	gap := 0
	for i := 0; i < len(stream); i++ {
		c := stream[i]
		v.gone[i] = true
		if c == esc {
			n := escapeLength(stream[i:])
			gap += n
			for k := range n {
				v.gone[i+k] = true
			}
			i += n - 1
			continue
		}
		if encode.Separator(c) {
			gap++
			continue
		}
		if gap > maxGap {
			add(rift, i)
		}
		gap = 0
		v.gone[i] = false
		add(encode.Squeeze(c), i)
	}
	if gap > maxGap {
		add(rift, len(stream))
	}
	return v
}

// escapeLength returns the length of the escape sequence that p begins with.
func escapeLength(p []byte) int {
	i, since := 1, 0
	mode := "esc"
	for ; i < len(p); i++ {
		c := p[i]
		if since++; since > maxEscape {
			return i
		}
		switch {
		case c == esc:
			mode, since = "esc", 0
		case c == 7 && mode == "text":
			return i + 1
		case c < 0x20 || c == 0x7f:
			return i
		case mode == "text":
		case mode == "csi":
			if c >= 0x80 {
				return i
			}
			if c >= 0x40 {
				return i + 1
			}
		case c == '[':
			mode = "csi"
		case bytes.IndexByte([]byte("]PX^_"), c) >= 0:
			mode = "text"
		case c >= 0x30:
			return i + 1
		}
	}
	return i
}

var (
	makesLabel  = regexp.MustCompile(`^(?: ?|[\r\n]+)[!-/:-@[-` + "`" + `{-~]{0,3}[:#$%>)\]}?] `)
	quotedMail  = regexp.MustCompile(`^[\r\n]+> `)
	behindLabel = regexp.MustCompile(`[:#$%>)\]}?] [!-/:-@[-` + "`" + `{-~]{0,3}$`)
	joined      = regexp.MustCompile(`[./_+*\x80-\xff]$`)
	twoPieces   = regexp.MustCompile(`^([,\-:;=>?@\]^_` + "`" + `|}~)*+./\x7f-\xff])[^0-9A-Za-z]*[0-9A-Za-z]{1,3}([^0-9A-Za-z])`)
)

// latin1 turns bytes into characters, for regular expressions.
func latin1(p []byte) string {
	r := make([]rune, len(p))
	for i, c := range p {
		r[i] = rune(c)
	}
	return string(r)
}

// opens says whether a match may start at text[i].
func (v *plainView) opens(i int) bool {
	at := v.origin[i]
	end := at
	for end < len(v.stream) && !encode.Separator(v.stream[end]) {
		end++
	}
	before, rest := latin1(v.stream[:at]), latin1(v.stream[end:])
	two := twoPieces.FindStringSubmatch(rest)
	switch {
	case end == len(v.stream), end-at >= solid:
		return true
	case at > 0 && !v.gone[at-1] && alphanumeric(int(v.stream[at-1])), joined.MatchString(before):
		return false
	case makesLabel.MatchString(rest) && !behindLabel.MatchString(before) && (end-at == 1 || !quotedMail.MatchString(rest)):
		return false
	}
	return two == nil || two[1] == two[2]
}

// known is what the oracle needs of a set: the forms as they were collected.
func known(t testing.TB, needles []Needle, o Options) collector {
	t.Helper()
	if o.Lanes == 0 {
		o.Lanes = All
	}
	if o.MinFragment == 0 {
		o.MinFragment = defaultFragment
	}
	c := collector{options: o}
	for i, n := range needles {
		c.collect(i, n.Value.Reveal())
	}
	return c
}

// spansIn returns every occurrence of every form, and from where on the stream
// would be held back if it went on.
func (h *heap) spansIn(text []byte, final bool, opens func(int) bool, origin func(int) int) (spans []span, hold int) {
	hold = len(text)
	for i := range text {
		if !opens(i) {
			continue
		}
		rest := text[i:]
		word := i == 0 || !alphanumeric(int(text[i-1]))
		for k, n := range h.needles {
			switch {
			case n.Word && !word:
			case !bytes.HasPrefix(rest, n.Bytes):
				if bytes.HasPrefix(n.Bytes, rest) {
					hold = min(hold, i)
				}
			case n.Word && len(rest) == len(n.Bytes) && !final:
				hold = min(hold, i)
			case n.Word && len(rest) > len(n.Bytes) && alphanumeric(int(rest[len(n.Bytes)])):
			default:
				spans = append(spans, span{start: int64(origin(i)), end: int64(origin(i+len(n.Bytes)-1)) + 1, who: h.whole[k]})
			}
		}
		for k, x := range h.texts {
			for at, is := range x.At {
				window := x.Bytes[at : at+x.Window]
				if is && bytes.HasPrefix(rest, window) {
					spans = append(spans, span{start: int64(origin(i)), end: int64(origin(i+x.Window-1)) + 1, who: h.runs[k]})
				} else if is && bytes.HasPrefix(window, rest) {
					hold = min(hold, i)
				}
			}
		}
	}
	if final {
		hold = len(text)
	}
	return spans, hold
}

// everySpan returns the spans of all lanes, and from where on the stream would be
// held back if it went on.
func everySpan(c *collector, stream []byte, final bool) ([]span, int) {
	spans, hold := c.stream.spansIn(stream, final, func(int) bool { return true }, func(i int) int { return i })
	v := viewOf(stream)
	squeezed, h := c.view.spansIn(v.text, final, v.openAt, func(i int) int { return v.origin[i] })
	if h < len(v.text) {
		hold = min(hold, v.origin[h])
	}
	inRows, h := rowSpansIn(c, stream, final)
	spans = append(append(spans, squeezed...), inRows...)
	slices.SortFunc(spans, span.order)
	return spans, min(hold, h)
}

// oracle masks a whole stream.
func oracle(c *collector, needles []Needle, stream []byte) (string, []Mask) {
	spans, _ := everySpan(c, stream, true)
	var out []byte
	var masks []Mask
	at := int64(0)
	for _, s := range spans {
		if n := len(masks); n > 0 && s.start <= masks[n-1].End {
			masks[n-1].End = max(masks[n-1].End, s.end)
			at = masks[n-1].End
			continue
		}
		name := needles[s.who.needle].Name
		out = append(append(out, stream[at:s.start]...), marker(name)...)
		masks = append(masks, Mask{Name: name, Lane: s.who.lane, Start: s.start, End: s.end})
		at = s.end
	}
	return string(append(out, stream[at:]...)), masks
}

func (v *plainView) openAt(i int) bool { return v.text[i] != rift && v.opens(i) }

// heldBy returns how many bytes the oracle would hold back after the stream.
// What is undecided but masked already, as part of an earlier range, is not held.
func heldBy(c *collector, stream []byte) int {
	spans, hold := everySpan(c, stream, false)
	end := int64(-1)
	for _, s := range spans {
		if s.start < int64(hold) || s.start <= end {
			end = max(end, s.end)
		}
	}
	return len(stream) - max(hold, int(end))
}

// checkStream masks the stream, cut as given, and compares output, ranges and
// what is held back at each cut with the oracle.
func checkStream(t testing.TB, needles []Needle, o Options, stream []byte, cuts ...[]int) {
	t.Helper()
	s, err := Compile(needles, o)
	if err != nil {
		t.Fatal(err)
	}
	c := known(t, needles, o)
	want, wantMasks := oracle(&c, needles, stream)
	for _, cut := range cuts {
		var out bytes.Buffer
		var masks []Mask
		w := NewWriter(&out, s, func(m Mask) { masks = append(masks, m) })
		at := 0
		for _, k := range append(slices.Clone(cut), len(stream)) {
			if n, err := w.Write(stream[at:k]); n != k-at || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
			at = k
			if held := heldBy(&c, stream[:k]); w.Held() != held {
				t.Fatalf("cut %v of %q: %d bytes held at %d, want %d", cut, stream, w.Held(), k, held)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Fatalf("cut %v of %q\n got %q\nwant %q", cut, stream, out.String(), want)
		}
		if !slices.Equal(masks, wantMasks) {
			t.Fatalf("cut %v of %q\n got %v\nwant %v", cut, stream, masks, wantMasks)
		}
	}
}

func needle(name, value string) Needle { return Needle{name, secret.New([]byte(value))} }

// everyCut is no cut, each single cut, and byte by byte.
func everyCut(n int) [][]int {
	all := [][]int{nil}
	var each []int
	for i := range n + 1 {
		all = append(all, []int{i})
		each = append(each, i)
	}
	return append(all, each)
}

func alphanumeric(c int) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

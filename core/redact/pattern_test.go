package redact

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

// tokens is a scanner that finds tok_ and eight letters or digits at least, and
// keeps what it was shown.
type tokens struct{ shown *bytes.Buffer }

func (s tokens) Rules() []scan.Rule {
	return []scan.Rule{{ID: "token", Keywords: []string{"tok_"}, Behind: 8, Need: 13, Max: 100, Tier: scan.Precise, Swallow: tokenByte}}
}

func tokenByte(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' }

func (s tokens) Check(_ int, w []byte, at int, final bool) ([]scan.Span, bool) {
	if s.shown != nil {
		s.shown.Write(w)
		s.shown.WriteByte('\n')
	}
	end := at + 4
	for end < len(w) && tokenByte(w[end]) {
		end++
	}
	if end-at < 12 {
		return nil, end == len(w) && !final
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, false
}

func patternSet(t *testing.T, s scan.Scanner, needles ...Needle) *Set {
	t.Helper()
	set, err := Compile(needles, Options{Scanners: []scan.Scanner{s}, Level: scan.Precise})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func called(name, value string) Needle { return Needle{name, secret.New([]byte(value))} }

func masked(t *testing.T, set *Set, hook func(Mask), parts ...[]byte) string {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, set, hook)
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestPatterns checks the two stages together at every cut.
func TestPatterns(t *testing.T) {
	set := patternSet(t, tokens{}, called("DB", "tok_vaultvalue7"), called("API", "api-value-of-the-vault"))
	b64 := base64.StdEncoding.EncodeToString([]byte("tok_abcdefgh12345"))
	for _, c := range []struct{ in, want string }{
		{"plain text", "plain text"},
		{"a tok_abcdefgh12345 b", "a [REDACTED:token] b"},
		{"a tok_vaultvalue7 b", "a [REDACTED:DB] b"},
		{"tok_abcapi-value-of-the-vault", "tok_abc[REDACTED:API]"},
		{"tok_abcdefgh12345 again tok_abcdefgh12345, " + b64, "[REDACTED:token] again [REDACTED:token], [REDACTED:token]"},
		{b64 + " before tok_abcdefgh12345", b64 + " before [REDACTED:token]"}, // not yet known
		{"xtok_abcdefgh12345y tok_abcdefgh12345y", "x[REDACTED:token] [REDACTED:token]"},
		{"tok_short1 tok_short1", "tok_short1 tok_short1"},
	} {
		in := []byte(c.in)
		if got := masked(t, set, nil, in); got != c.want {
			t.Fatalf("%q\n got %q\nwant %q", c.in, got, c.want)
		}
		if got := masked(t, set, nil, slices.Collect(slices.Chunk(in, 1))...); got != c.want {
			t.Fatalf("byte by byte %q\n got %q\nwant %q", c.in, got, c.want)
		}
		for i := range in {
			if got := masked(t, set, nil, in[:i], in[i:]); got != c.want {
				t.Fatalf("cut at %d %q\n got %q\nwant %q", i, c.in, got, c.want)
			}
		}
	}
}

// TestScannerSeesNoVaultValue attacks the order: whatever the cut, no window
// that a scanner is shown holds a vault value.
func TestScannerSeesNoVaultValue(t *testing.T) {
	const value = "tok_vaultvalue7"
	in := []byte("x=" + value + " tok_abcdefgh1 " + value + " tok_" + value + "\n")
	for cut := range in {
		var shown bytes.Buffer
		masked(t, patternSet(t, tokens{&shown}, called("DB", value)), nil, in[:cut], in[cut:])
		if strings.Contains(shown.String(), "vaultvalue") {
			t.Fatalf("cut at %d: the scanner was shown %q", cut, shown.String())
		}
		if !strings.Contains(shown.String(), "tok_abcdefgh") {
			t.Fatalf("cut at %d: the scanner was shown %q", cut, shown.String())
		}
	}
}

// TestPatternMasks checks what the hook and the counts say: offsets in the
// stream as it was, not as the rules saw it.
func TestPatternMasks(t *testing.T) {
	set := patternSet(t, tokens{}, called("API", "api-value-of-the-vault"))
	in := "api-value-of-the-vault tok_abcdefgh12345 api-value-of-the-vault tok_zyxwvuts98765"
	for _, size := range []int{1, 5, 200} {
		var got []string
		var out bytes.Buffer
		w := NewWriter(&out, set, func(m Mask) { got = append(got, fmt.Sprintf("%s%s %d %d", m.Name, m.Rule, m.Start, m.End)) })
		for p := range slices.Chunk([]byte(in), size) {
			w.Write(p)
		}
		w.Close()
		slices.Sort(got)
		want := []string{"API 0 22", "API 41 63", "token 23 40", "token 64 81"}
		if !slices.Equal(got, want) {
			t.Fatalf("size %d: %q, want %q", size, got, want)
		}
		counts := fmt.Sprint(w.Counts())
		if counts != "[{  token 2} {API exact  2}]" {
			t.Fatalf("counts %s", counts)
		}
	}
}

// TestLearned checks that values learned stay known, however many there are and
// however alike they are, and that the stream is whole.
func TestLearned(t *testing.T) {
	set := patternSet(t, tokens{})
	for name, format := range map[string]string{"different": "tok_%06dvalue", "alike": "tok_alike0alike0alike0%06d0alike0alike0alike"} {
		var in, want bytes.Buffer
		const n = 80
		for i := range n {
			fmt.Fprintf(&in, format+"\n", i*7919)
			want.WriteString("[REDACTED:token]\n")
		}
		for i := range n {
			fmt.Fprintf(&in, "xok %s\n", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, format, i*7919)))
			want.WriteString("xok [REDACTED:token]\n")
		}
		for _, size := range []int{3, 100, 1 << 20} {
			if got := masked(t, set, nil, slices.Collect(slices.Chunk(in.Bytes(), size))...); got != want.String() {
				t.Fatalf("%s, pieces of %d: %q", name, size, got)
			}
		}
	}
}

// TestLearnedMost checks what happens with more values than a stream learns: the
// rule masks them still, and those it learned before stay known.
func TestLearnedMost(t *testing.T) {
	set := patternSet(t, tokens{})
	var in, want bytes.Buffer
	for i := range maxLearned + 50 {
		fmt.Fprintf(&in, "tok_value%06d\n", i)
		want.WriteString("[REDACTED:token]\n")
	}
	for _, i := range []int{0, maxLearned / 2, maxLearned - 1} {
		fmt.Fprintf(&in, "%x\n", fmt.Appendf(nil, "tok_value%06d", i))
		want.WriteString("[REDACTED:token]\n")
	}
	late := fmt.Sprintf("%x\n", fmt.Appendf(nil, "tok_value%06d", maxLearned))
	in.WriteString(late)
	want.WriteString(late)
	for _, size := range []int{1000, 1 << 20} {
		if got := masked(t, set, nil, slices.Collect(slices.Chunk(in.Bytes(), size))...); got != want.String() {
			t.Fatalf("pieces of %d: %d bytes, want %d", size, len(got), want.Len())
		}
	}
}

// TestPatternEcho checks that typed bytes that both stages hold appear at once.
func TestPatternEcho(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, patternSet(t, tokens{}, called("API", "api-value-of-the-vault")), nil)
	w.Write([]byte("> tok_ap"))
	if w.Held() == 0 {
		t.Fatal("nothing is held")
	}
	w.Echo([]byte("tok_ap"))
	if out.String() != "> tok_ap" || w.Held() != 0 {
		t.Fatalf("%q, %d held", out.String(), w.Held())
	}
	w.Write([]byte("plepie99 x"))
	w.Close()
	if out.String() != "> tok_ap[REDACTED:token] x" {
		t.Fatalf("%q", out.String())
	}
}

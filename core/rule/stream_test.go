package rule

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// pieces writes the parts to a filter and returns what came out.
func pieces(t testing.TB, set *Set, parts ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	f := NewFilter(&out, set, nil)
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// anyhow checks that in becomes want whole, byte by byte and at every cut.
func anyhow(t testing.TB, set *Set, in []byte, want string) {
	t.Helper()
	if got := pieces(t, set, in); string(got) != want {
		t.Fatalf("whole %q\n got %q\nwant %q", in, got, want)
	}
	if got := pieces(t, set, slices.Collect(slices.Chunk(in, 1))...); string(got) != want {
		t.Fatalf("byte by byte %q\n got %q\nwant %q", in, got, want)
	}
	for i := range in {
		if got := pieces(t, set, in[:i], in[i:]); string(got) != want {
			t.Fatalf("cut at %d: %q\n got %q\nwant %q", i, in, got, want)
		}
	}
}

func toySet(t testing.TB) *Set {
	t.Helper()
	set, err := Compile([]scan.Scanner{toys()}, scan.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestStream(t *testing.T) {
	set := toySet(t)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"nothing here\r\n\x00\xff", "nothing here\r\n\x00\xff"},
		{"a tok_abcd b", "a [REDACTED:tok] b"},
		{"tok_abc tok_", "tok_abc tok_"},
		{"xtok_abcdef", "xtok_abcdef"},
		{"tok_tok_abcd", "tok_[REDACTED:tok]"},
		{"tok_" + strings.Repeat("a", 100), "[REDACTED:tok]" + strings.Repeat("a", 64)},
		{"tok_abcdtok_abcd", "[REDACTED:tok]_abcd"},
		{"tok_abcdkey-ab.", "[REDACTED:tok]."},
		{"tok_abcdBEGIN=a\n.", "[REDACTED:tok]."}, // touching: one range
		{"KEY-ab Key-k key-KEY-12", "[REDACTED:fold] Key-k [REDACTED:fold]"},
		{"pass=tok_abcdef;", "pass=[REDACTED:tok];"},
		{"password:abc pass=def pass= password", "password:[REDACTED:label] pass=[REDACTED:label] pass= password"},
		{"pass=" + strings.Repeat("x", 30), "pass=[REDACTED:label]" + strings.Repeat("x", 11)},
		{"12345678@@x 1@x@ a12@@x", "1234[REDACTED:lead] [REDACTED:lead] a[REDACTED:lead]"},
		{"12@@x@", "[REDACTED:lead]"},
		{"abcdefgh!!!!ij", "abc[REDACTED:held]!ij"},
		{"BEGIN=a\n=b\nc\n", "[REDACTED:block]c\n"},
		{"BEGIN=a\n=b", "[REDACTED:block]"},
		{"stall, still here", "[REDACTED:never]ll here"},
		{"a wild thing", "a [REDACTED:wild]hing"},
	} {
		in := []byte(c.in)
		if got := naive(set, in); string(got) != c.want {
			t.Fatalf("the oracle on %q\n got %q\nwant %q", in, got, c.want)
		}
		anyhow(t, set, in, c.want)
	}
}

// TestEveryCut compares with the oracle on random streams of fragments that
// overlap, touch and stop short.
func TestEveryCut(t *testing.T) {
	set := toySet(t)
	rng := rand.New(rand.NewPCG(1, 2))
	parts := strings.Split("tok_|abcd|key-|KEY-k|pass|word|=|:|12|3456|@@x|@x@|@|!!!|!|BEGIN|=a\n|\n|stall|wild| |é|tok|pas|BEG", "|")
	for range 1500 {
		var in []byte
		for range rng.IntN(14) {
			in = append(in, parts[rng.IntN(len(parts))]...)
		}
		anyhow(t, set, in, string(naive(set, in)))
	}
}

func FuzzStream(f *testing.F) {
	f.Add([]byte("x tok_abcdtok_ 12@@x pass=tok_aaaa BEGIN=a\n=b stall!!!!"), uint64(3))
	set := toySet(f)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		if len(in) > 1<<12 {
			return
		}
		want := naive(set, in)
		rng := rand.New(rand.NewPCG(seed, 0))
		var parts [][]byte
		for rest := in; len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 1+rng.IntN(64)))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got := pieces(t, set, parts...); !bytes.Equal(got, want) {
			t.Fatalf("%q in %d parts\n got %q\nwant %q", in, len(parts), got, want)
		}
	})
}

// TestHeld checks that only what could still be masked waits.
func TestHeld(t *testing.T) {
	set := toySet(t)
	for _, c := range []struct {
		in   string
		held int
	}{
		{"Continue? ", 0},
		{"a line\n", 0},
		{"Password: ", 0},    // the label passes
		{"password", 0},      // even before it is known what comes
		{"password:abc", 3},  // the value waits
		{"a to", 2},          // may become tok_
		{"tok_ab", 6},        // undecided
		{"tok_abcd", 0},      // decided: swallowed from here on
		{"x12", 2},           // may come before @@x
		{"123456", 4},        // no more than that rule's Before
		{"BEGIN=abc", 4},     // an unfinished line
		{"BEGIN=abc\n", 0},   //
		{"a KEY-", 4},        //
		{"xtok_a", 0},        // a boundary settles it
		{"12 pass=tok_a", 5}, // from the first that waits
	} {
		set := set
		if !strings.Contains(c.in, "!") { // the rule that holds for ever is off here
			set = without(t, "held")
		}
		f := NewFilter(&bytes.Buffer{}, set, nil)
		f.Write([]byte(c.in))
		if f.Held() != c.held {
			t.Errorf("%q: %d bytes held, want %d", c.in, f.Held(), c.held)
		}
	}
}

func without(t testing.TB, id string) *Set {
	t.Helper()
	all := toys()
	some := &toy{}
	for i, r := range all.rules {
		if r.ID != id {
			some.add(r, all.check[i])
		}
	}
	set, err := Compile([]scan.Scanner{some}, scan.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestFindings checks what is reported: each finding once, when its bytes have
// been written and nothing after it.
func TestFindings(t *testing.T) {
	set := toySet(t)
	in := []byte("a tok_abcdef password:hunter22 BEGIN=x\n.")
	for _, size := range []int{1, 3, 7, 100} {
		var out bytes.Buffer
		var got []string
		f := NewFilter(&out, set, func(d Finding) {
			got = append(got, fmt.Sprintf("%s %d-%d %q after %q", set.Rule(d.Rule).ID, d.Start, d.End, d.Value, out.String()))
		})
		for p := range slices.Chunk(in, size) {
			f.Write(p)
		}
		f.Close()
		want := []string{
			`tok 2-12 "tok_abcdef" after "a [REDACTED:tok]"`,
			`label 22-30 "hunter22" after "a [REDACTED:tok] password:[REDACTED:label]"`,
			`block 31-39 "BEGIN=x\n" after "a [REDACTED:tok] password:[REDACTED:label] [REDACTED:block]"`,
		}
		if !slices.Equal(got, want) {
			t.Fatalf("size %d:\n%s", size, strings.Join(got, "\n"))
		}
	}
}

// TestLanes compares long streams, which go through four lanes, with the oracle.
func TestLanes(t *testing.T) {
	set := toySet(t)
	rng := rand.New(rand.NewPCG(3, 4))
	parts := strings.Split("tok_abcd|tok_|key-KEY-k|password:x|12345@@x|BEGIN=a\n|!!!|the quick brown fox |\n", "|")
	for range 20 {
		var in []byte
		for len(in) < 20_000 {
			in = append(in, parts[rng.IntN(len(parts))]...)
		}
		want := naive(set, in)
		for _, size := range []int{len(in), 2048 + rng.IntN(999), 7777} {
			if got := pieces(t, set, slices.Collect(slices.Chunk(in, size))...); !bytes.Equal(got, want) {
				t.Fatalf("pieces of %d differ from the oracle", size)
			}
		}
	}
}

func TestCompile(t *testing.T) {
	good := scan.Rule{ID: "ok", Keywords: []string{"abc"}, Need: 8}
	for _, c := range []struct {
		why    string
		change func(*scan.Rule)
	}{
		{`rule "A b": bad rule: the id is not a slug of at most 64 bytes`, func(r *scan.Rule) { r.ID = "A b" }},
		{`rule "ok": bad rule: no keyword`, func(r *scan.Rule) { r.Keywords = nil }},
		{`rule "ok": bad rule: a mark has keywords`, func(r *scan.Rule) { r.Mark = true }},
		{`rule "a\nb": bad rule: the id is not words of a slug's letters, of at most 64 bytes`, func(r *scan.Rule) { r.Mark, r.ID = true, "a\nb" }},
		{`rule "ok": bad rule: keyword "ab" is shorter than 3 bytes`, func(r *scan.Rule) { r.Keywords = []string{"ab"} }},
		{`rule "ok": bad rule: keyword "abcdefghi" is longer than what the rule needs to see`, func(r *scan.Rule) { r.Keywords = []string{"abcdefghi"} }},
		{`rule "ok": bad rule: a window is longer than 65536 bytes`, func(r *scan.Rule) { r.Need = 1 << 17 }},
		{`rule "ok": bad rule: a limit is negative`, func(r *scan.Rule) { r.Before = -1 }},
		{`rule "ok": bad rule: context before the keyword is longer than 256 bytes`, func(r *scan.Rule) { r.Behind = 257 }},
		{`rule "ok": bad rule: findings cannot start both before and after the keyword`, func(r *scan.Rule) { r.After, r.Before = true, 1 }},
		{`rule "ok": bad rule: an open span may not reach the end of the window`, func(r *scan.Rule) { r.Swallow = alnum }},
	} {
		r := good
		c.change(&r)
		_, err := Compile([]scan.Scanner{&toy{rules: []scan.Rule{r}}}, scan.Strict)
		if err == nil || err.Error() != c.why {
			t.Errorf("got %v, want %s", err, c.why)
		}
	}
	strict := good
	strict.Tier = scan.Strict
	set, err := Compile([]scan.Scanner{&toy{rules: []scan.Rule{good, strict}}}, scan.Balanced)
	if err != nil || set.Len() != 1 {
		t.Errorf("a strict rule is on at balanced: %d rules, %v", set.Len(), err)
	}
}

func BenchmarkClean(b *testing.B) {
	set := toySet(b)
	in := bytes.Repeat([]byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s\n"), 880)
	f := NewFilter(io.Discard, set, nil)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		f.Write(in)
	}
}

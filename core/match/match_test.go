package match

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// Each case is run whole, byte by byte and at every single cut.
var cases = []struct {
	name    string
	needles []Needle
	stream  string
}{
	{"none", nil, "nothing to find"},
	{"empty stream", needlesOf("abcdefgh"), ""},
	{"one", needlesOf("s3cret-key"), "the s3cret-key is here"},
	{"at both ends", needlesOf("s3cret-key"), "s3cret-key and s3cret-key"},
	{"whole stream", needlesOf("s3cret-key"), "s3cret-key"},
	{"overlaps itself", needlesOf("s3cret-s3cret-key"), "s3cret-s3cret-s3cret-key"},
	{"overlap each other", needlesOf("abcdefgh", "efghijkl"), "abcdefghijkl"},
	{"touch", needlesOf("abcdefgh"), "abcdefghabcdefghabcdefg"},
	{"prefix of another", needlesOf("abcdefgh", "abcdefghijklmnop"), "abcdefgh abcdefghijklmno abcdefghijklmnop"},
	{"suffix of another", needlesOf("ijklmnop", "abcdefghijklmnop"), "ijklmnop bcdefghijklmnop abcdefghijklmnop"},
	{"inside another", needlesOf("cdefghijk", "abcdefghijklmnop"), "cdefghijk abcdefghijklmnop abcdefghijk"},
	{"suffix in the same tier", needlesOf("0123456789abcdefghij", "456789abcdefghij"), "456789abcdefghij 0123456789abcdefghij 3456789abcdefghij"},
	{"near-prefix, then another", needlesOf("aaaabbbbccccdddd", "ccccdddeeee"), "aaaabbbbccccdddeeee"},
	{"equal needles", needlesOf("abcdefgh", "abcdefgh"), "abcdefgh"},
	{"periodic", needlesOf("aaaaaaaa", "aaaaaaaaaaaaaaaaaaaab", "abababababababab"), strings.Repeat("a", 30) + "b" + strings.Repeat("ab", 12)},
	{"word", needlesOf("^1234"), "1234 12345 01234 (1234) a1234 1234"},
	{"word at the end", needlesOf("^1234", "^123456"), "12345 1234 123456 123"},
	{"word beside word", needlesOf("^abcd", "^a-cd"), "abcd-abcd a-cd,abcd"},
	{"word and its plain twin", needlesOf("^abcdef", "abcdef"), "abcdef xabcdef abcdefx"},
	{"word of word bytes at its edges only", needlesOf("^-12-"), "a-12-b"},
	{"four bytes", needlesOf("abcd", "bcde"), "abcde abcbcdabcd"},
	{"nul and invalid utf-8", needlesOf("\x00\xff\xfe\x00\x80\x81"), "\xff\x00\xff\xfe\x00\x80\x81\xc3"},
	{"all lengths", lengths(), strings.Repeat("abcdefghijklmnopqrstuvwxyz", 3)},
}

func lengths() []Needle {
	var n []Needle
	for i := 4; i < 40; i++ {
		n = append(n, Needle{[]byte(strings.Repeat("abcdefghijklmnopqrstuvwxyz", 2)[i%7 : i%7+i]), false})
	}
	return n
}

func TestCases(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			check(t, c.needles, []byte(c.stream), someCuts(len(c.stream))...)
		})
	}
}

// families are sets that are hard for a filter, and streams that are hard with
// them: what a program would print that wants to slow the scan down or slip by.
func families(r *rand.Rand) map[string][]Needle {
	random := func(n int, alphabet string) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return b
	}
	const wide = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	f := map[string][]Needle{}
	base := random(40, wide)
	for i := range 60 {
		one := bytes.Clone(base)
		one[i%len(one)] = wide[r.IntN(64)]
		f["one byte differs"] = append(f["one byte differs"], Needle{one, false})
		f["periodic"] = append(f["periodic"], Needle{append(bytes.Repeat([]byte("a"), 16+i%30), "bcd"[i%3]), false})
		f["leading byte differs"] = append(f["leading byte differs"], Needle{append([]byte{byte(i)}, base...), false})
		f["two letters"] = append(f["two letters"], Needle{random(16+r.IntN(20), "ab"), false})
		f["prefixes"] = append(f["prefixes"], Needle{base[:8+i%32], false})
		f["suffixes"] = append(f["suffixes"], Needle{base[i%32:], false})
		f["short"] = append(f["short"], Needle{random(4+r.IntN(4), "abc-"), r.IntN(2) == 0})
		f["random"] = append(f["random"], Needle{random(8+r.IntN(60), wide), false})
		f["mixed"] = append(f["mixed"], Needle{random(4+r.IntN(30), "ab"), i%5 == 0})
	}
	return f
}

// hostile makes a stream of whole needles, of needles cut short and of needles
// with one byte wrong.
func hostile(r *rand.Rand, needles []Needle, size int) []byte {
	var b []byte
	for len(b) < size {
		n := needles[r.IntN(len(needles))].Bytes
		switch r.IntN(6) {
		case 0:
			b = append(b, n...)
		case 1:
			b = append(b, n[:r.IntN(len(n))]...)
		case 2:
			b = append(b, n[r.IntN(len(n)):]...)
		case 3:
			at := len(b) + r.IntN(len(n))
			b = append(b, n...)
			b[at]++
		case 4:
			b = append(b, n[:len(n)-1]...)
		case 5:
			b = append(b, " \n-.x"[r.IntN(5)])
		}
	}
	return b
}

func TestHostileSets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, needles := range families(r) {
		t.Run(name, func(t *testing.T) {
			rounds := 12
			if testing.Short() {
				rounds = 2
			}
			for range rounds {
				stream := hostile(r, needles, 600)
				cuts := [][]int{nil}
				for range 4 {
					cuts = append(cuts, randomCuts(r, len(stream)))
				}
				check(t, needles, stream, cuts...)
			}
		})
	}
}

// TestLongStretch makes the crowd run its four lanes.
func TestLongStretch(t *testing.T) {
	needles := families(rand.New(rand.NewPCG(3, 4)))["periodic"]
	stream := bytes.Repeat([]byte("a"), 6000)
	for i := 100; i < len(stream); i += 97 {
		stream[i] = "bcde"[i%4]
	}
	check(t, needles, stream, nil, []int{1500}, []int{3000, 3001})
	check(t, append(needles, needlesOf("^aaaa")...), stream, nil, []int{1500})
}

func TestRefuses(t *testing.T) {
	if _, err := Compile(needlesOf("abc"), false); !errors.Is(err, ErrNeedle) {
		t.Errorf("three bytes: %v", err)
	}
	big := make([]byte, 1<<20)
	var all []Needle
	for range 33 {
		all = append(all, Needle{big, false})
	}
	if _, err := Compile(all, false); !errors.Is(err, ErrSize) {
		t.Errorf("33 MiB: %v", err)
	}
}

// TestManyNeedles builds as many needles as anyone has, within bounds.
func TestManyNeedles(t *testing.T) {
	for _, c := range []struct{ n, most int }{{100, 128 << 10}, {10_000, 10 << 20}, {100_000, 64 << 20}} {
		if testing.Short() && c.n > 10_000 {
			continue
		}
		r := rand.New(rand.NewPCG(5, 6))
		var needles []Needle
		for i := range c.n {
			needles = append(needles, Needle{fmt.Appendf(nil, "%08x-%016x-%d", r.Uint32(), r.Uint64(), i), false})
		}
		s, err := Compile(needles, false)
		if err != nil {
			t.Fatal(err)
		}
		if s.Size() > c.most {
			t.Errorf("%d needles take %d bytes, want at most %d", c.n, s.Size(), c.most)
		}
		stream := bytes.Join([][]byte{needles[0].Bytes, needles[c.n/2].Bytes, needles[c.n-1].Bytes}, []byte("|"))
		if hits := s.Find(new(Scratch), Block{Bytes: stream, Prev: -1, Final: true}); len(hits) != 3 {
			t.Errorf("%d needles: found %v", c.n, hits)
		}
		t.Logf("%d needles: %d KiB", c.n, s.Size()>>10)
	}
}

// TestRest holds that a block that goes on with the rest is held from the same
// byte, up to the last byte of it.
func TestRest(t *testing.T) {
	r := rand.New(rand.NewPCG(61, 62))
	for name, needles := range families(r) {
		s, err := Compile(needles, false)
		if err != nil {
			t.Fatal(err)
		}
		for range 50 {
			stream := hostile(r, needles, 100)
			b := Block{Bytes: stream, Prev: -1}
			i := s.Hold(b)
			rest := s.Rest(b, i)
			if i == len(stream) {
				if rest != nil {
					t.Fatalf("%s: %q behind %q, of which nothing is held", name, rest, stream)
				}
				continue
			}
			for n := range rest {
				longer := append(bytes.Clone(stream), rest[:n]...)
				if got := s.Hold(Block{Bytes: longer, Prev: -1}); got != i || naiveHold(needles, longer) != i {
					t.Fatalf("%s: %q and %q of its rest %q is held from %d, not from %d", name, stream, rest[:n], rest, got, i)
				}
			}
		}
	}
}

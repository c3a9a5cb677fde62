package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const (
	token  = "ghp_x7Kq2Vw9ZbT4mNc8RfJ3LsYd6HgPa1Ue5Qo"
	phrase = "s3cret-s3cret-key"
)

// Each case is checked against the oracle whole, byte by byte and at every cut.
// want, if given, says what the oracle must say.
var cases = []struct {
	name, values string // values separated by |
	lanes        Lanes
	stream, want string
}{
	{"nothing", token, All, "nothing to see\n", "nothing to see\n"},
	{"exact", token, Exact, "a " + token + " b", "a [REDACTED:A] b"},
	{"overlaps itself across a write", phrase, Exact, "s3cret-s3cret-" + phrase[7:], "s3cret-[REDACTED:A]"},
	{"overlaps itself", phrase, Exact, "s3cret-" + phrase, "s3cret-[REDACTED:A]"},
	{"overlap each other", "abcdefgh|efghijkl", Exact, "abcdefghijkl", "[REDACTED:A]"},
	{"touch", "abcdefgh|ijklmnop", Exact, "abcdefghijklmnop ijklmnopabcdefgh", "[REDACTED:A] [REDACTED:B]"},
	{"after a near-prefix of another", "aaaabbbbccccdddd|ccccdddeeee", Exact, "aaaabbbbccccdddeeee", "aaaabbbb[REDACTED:B]"},
	{"equal to part of the marker", "REDACTED:|[REDACTED:A]", Exact, "REDACTED: [REDACTED:A] REDACTED", "[REDACTED:A] [REDACTED:B] REDACTED"},
	{"prefix of another", "abcdefgh|abcdefghijkl", Exact, "abcdefgh abcdefghijkl abcdefghijk", "[REDACTED:A] [REDACTED:B] [REDACTED:A]ijk"},
	{"braces of a JSON secret", "{\n  \"user\": \"x7Kq2Vw9ZbT4\",\n  \"k\": \"mNc8RfJ3LsYd\"\n}", All, "{\n}\n{ \"a\": [ {} ] }\n", "{\n}\n{ \"a\": [ {} ] }\n"},
	{"binary tail", token, All, token + "\xff\xfe\x00\xc3", "[REDACTED:A]\xff\xfe\x00\xc3"},
	{"CRLF and no last newline", token, All, "a\r\n" + token + "\r\nb", "a\r\n[REDACTED:A]\r\nb"},
	{"PEM through a terminal", "-----BEGIN KEY-----\nMC4CAQAwBQYDK2VwBCIEIJtM3x9Q\nq7Zp2Wv8Lk5TnYh4GdRs6FbXcQ==\n-----END KEY-----\n", All, "x\r\n-----BEGIN KEY-----\r\nMC4CAQAwBQYDK2VwBCIEIJtM3x9Q\r\nq7Zp2Wv8Lk5TnYh4GdRs6FbXcQ==\r\n-----END KEY-----\r\ny", "x\r\n[REDACTED:A]\r\ny"},
	{"word", "1234", All, "1234 12345 x1234 (1234)", "[REDACTED:A] 12345 x1234 ([REDACTED:A])"},
	{"two words", "1234|abcd", All, "1234-abcd", "[REDACTED:A]-[REDACTED:B]"},
	{"base64", token, All, base64.StdEncoding.EncodeToString([]byte(token)), ""},
	{"base64 in a Basic header", token, All, "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+token+"!")) + "\n", ""},
	{"hex", token, All, hex.EncodeToString([]byte(token)) + "\n", "[REDACTED:A]\n"},
	{"first half", token, All, token[:20] + "\n", "[REDACTED:A]\n"},
	{"wrapped", token, All, fold(token, 10), "[REDACTED:A]\n"},
	{"one character a line", token, All, fold(token, 1), "[REDACTED:A]\n"},
	{"spaces", token, All, "x " + strings.Join(strings.Split(token, ""), " ") + " y", "x [REDACTED:A] y"},
	{"colon hex", token, All, colons(token), "[REDACTED:A]\n"},
	{"colour inside", token, All, token[:11] + "\x1b[31;1m" + token[11:] + "\x1b[0m\n", "[REDACTED:A]\x1b[0m\n"},
	{"colour around", token, All, "\x1b[1m" + token + "\x1b[0m\n", "\x1b[1m[REDACTED:A]\x1b[0m\n"},
	{"link around", token, All, "\x1b]8;;http://h/\x07" + fold(token, 9) + "\x1b]8;;\x07", "\x1b]8;;http://h/\x07[REDACTED:A]\n\x1b]8;;\x07"},
	{"a label inside", "x7Kq2Vw9ZbT4mNc8", Squeezed, "x7Kq2Vw9: ZbT4mNc8", "[REDACTED:A]"},
	{"a label before", "x7Kq2Vw9ZbT4mNc8", Squeezed, "x: 7Kq2Vw9ZbT4mNc8", "x: 7Kq2Vw9ZbT4mNc8"},
	{"a prompt before", "x7Kq2Vw9ZbT4mNc8", Squeezed, "/x $ 7Kq2Vw9ZbT4mNc8", "/x $ 7Kq2Vw9ZbT4mNc8"},
	{"a row of labels", "x7Kq2Vw9ZbT4mNc8Rf", All, "x# 7# K# q# 2# V# w# 9# Z# b# T# 4# m# N# c# 8# R# f", "x# [REDACTED:A]"},
	{"pieces behind a label", "x7Kq2Vw9ZbT4mNc8", Squeezed, "key: x7: Kq: 2V: w9: Zb: T4: mN: c8", "key: [REDACTED:A]"},
	{"a gap that is too long", "x7Kq2Vw9ZbT4mNc8", Squeezed, "x7Kq2Vw9" + strings.Repeat(" ", maxGap+1) + "ZbT4mNc8", ""},
	{"a gap that is not", "x7Kq2Vw9ZbT4mNc8", Squeezed, "x7Kq2Vw9" + strings.Repeat(" ", maxGap) + "ZbT4mNc8.", "[REDACTED:A]."},
	{"a dump behind text", "x7Kq2Vw9ZbT4mNc8", All, "00000000: 6b3d 7837 4b71 3256 7739 5a62 5434 6d4e  k=x7Kq2Vw9ZbT4mN\n00000010: 6338 0a                                  c8.\nend\n", "00000000: 6b3d [REDACTED:A] 0a                                  [REDACTED:A]\nend\n"},
	{"a dump of characters behind text", "x7Kq2Vw9ZbT4mNc8", Squeezed, "0000000   p   w   =   x   7   K   q   2   V   w   9   Z   b   T   4   m\n0000020   N   c   8  \\n\n0000024\n", "0000000   p   w   =   [REDACTED:A]  \\n\n0000024\n"},
	{"two dumps", "x7Kq2Vw9ZbT4mNc8", Squeezed, "0000000   k   x   7   K   q   2   V   w   9\n\n0000000   Z   b   T   4   m   N   c   8\n", "0000000   k   x   7   K   q   2   V   w   9\n\n0000000   Z   b   T   4   m   N   c   8\n"},
	{"inside a word", "x7Kq2Vw9ZbT4mNc8", Squeezed, "abcx7\nKq2Vw9ZbT4mNc8 abcx7Kq\n2Vw9ZbT4mNc8", ""},
}

func fold(s string, n int) string {
	var b strings.Builder
	for c := range slices.Chunk([]byte(s), n) {
		b.Write(c)
		b.WriteByte('\n')
	}
	return b.String()
}

func colons(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(hex.EncodeToString([]byte(s[i:i+1])) + ":")
	}
	return b.String()[:b.Len()-1] + "\n"
}

func named(values string) []Needle {
	var n []Needle
	for i, v := range strings.Split(values, "|") {
		n = append(n, needle(string(rune('A'+i)), v))
	}
	return n
}

func TestCases(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Lanes: c.lanes}
			if k := known(t, named(c.values), o); c.want != "" {
				if got, _ := oracle(&k, named(c.values), []byte(c.stream)); got != c.want {
					t.Fatalf("the oracle says %q, want %q", got, c.want)
				}
			}
			cuts := everyCut(len(c.stream))
			if testing.Short() {
				cuts = append(cuts[:1:1], cuts[len(cuts)-1])
			}
			checkStream(t, named(c.values), o, []byte(c.stream), cuts...)
		})
	}
}

// TestHostileStreams mixes whole values, pieces, encodings, near misses,
// separators and escape sequences at random.
func TestHostileStreams(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	needles := named(token + "|" + phrase + "|1234|hunter2!|aaaaaaaaaaaaaaab")
	for _, lanes := range []Lanes{All, Exact, Exact | Encoded, Squeezed, Fragments, Squeezed | Fragments} {
		rounds := 25
		if testing.Short() {
			rounds = 3
		}
		for range rounds {
			stream := hostile(r, needles, 250)
			checkStream(t, needles, Options{Lanes: lanes}, stream, nil, randomCuts(r, len(stream)), randomCuts(r, len(stream)))
		}
	}
}

func hostile(r *rand.Rand, needles []Needle, size int) []byte {
	signs := []string{" ", "\n", ": ", ":", "# ", " $ ", "$", "-", "\r\n", "\x1b[31m", "\x1b]0;title", "\x07", "\x1b(B", "\\", "\"", "x", "0", "\x1b", "e", strings.Repeat(" ", 90), strings.Repeat("\x1b[0m", 30)}
	var b []byte
	for len(b) < size {
		v := needles[r.IntN(len(needles))].Value.Reveal()
		switch r.IntN(5) {
		case 0:
			v = []byte(base64.StdEncoding.EncodeToString(v))
		case 1:
			v = []byte(hex.EncodeToString(v))
		}
		from := r.IntN(len(v))
		to := from + r.IntN(len(v)-from+1)
		switch r.IntN(4) {
		case 0:
			from, to = 0, len(v)
		case 1:
			from = 0
		}
		v = bytes.Clone(v[from:to])
		if len(v) > 0 && r.IntN(6) == 0 {
			v[r.IntN(len(v))]++
		}
		if r.IntN(3) == 0 {
			sep := signs[r.IntN(len(signs))]
			for piece := range slices.Chunk(v, 1+r.IntN(9)) {
				b = append(append(b, piece...), sep...)
			}
		} else {
			b = append(b, v...)
		}
		b = append(b, signs[r.IntN(len(signs))]...)
	}
	return b
}

func randomCuts(r *rand.Rand, n int) []int {
	c := make([]int, r.IntN(8))
	for i := range c {
		c[i] = r.IntN(n + 1)
	}
	slices.Sort(c)
	return c
}

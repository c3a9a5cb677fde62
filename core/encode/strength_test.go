package encode

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestStrength holds the estimate between two bounds, in bits.
func TestStrength(t *testing.T) {
	for _, c := range []struct {
		value    string
		low, top float64
	}{
		{"", 0, 0},
		{"a", 4, 4},
		{"0000", 4, 8},
		{"1234", 4, 8},
		{"8417", 13.2, 13.3},
		{"1999", 5, 8},
		{"1234567890", 4, 10},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 4, 21},
		{"abcabcabcabcabc", 4, 27},
		{"qwertyuiop", 4, 12},
		{"1qaz2wsx", 4, 12},
		{"password", 4, 6},
		{"Password1", 6, 14},
		{"P@ssw0rd", 6, 14},
		{"P@ssw0rd2024!", 14, 30},
		{"hunter2", 6, 12},
		{"changeme", 4, 6},
		{"admin123", 6, 14},
		{"Tr0ub4dor&3", 25, 75},
		{"true", 4, 12},
		{"production", 8, 12},
		{"postgres", 4, 6},
		{"123456789012", 4, 20},
		{"847120365912", 35, 40},
		{"k9Q2x7", 35, 36},
		{"Zq8kP2mW", 47, 48},
		{"correct horse battery staple", 8, 8},
		{"Correct-Horse-Battery-Staple", 8, 8},
		{"c0rrecth0rseb@tterystaple1", 12, 16},
		{"The quick brown fox jumps over the lazy dog", 8, 8},
		{"correct window battery garden", 40, 100},
		{"61e8fd841404fcd70761915d50ffe28f", 100, 128},
		{"lcmnE2UR8BfRw7OmjV4K3dC1KhjpxSaf", 180, 191},
		{"ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R", 120, 270},
		{"postgres://app:postgres@db.internal:5432/prod", 4, 6},
		{"postgres://app:Zq8kP2mWvX@db.internal:5432/prod", 58, 60},
	} {
		if got := Strength([]byte(c.value)); got < c.low-0.01 || got > c.top+0.01 {
			t.Errorf("%q: %.1f bits, want %.1f to %.1f", c.value, got, c.low, c.top)
		}
	}
}

// TestWeak: what people choose is weak, what generators make is not.
func TestWeak(t *testing.T) {
	for _, v := range strings.Fields("password 123456 qwerty letmein Passw0rd! Summer2024! admin admin1234 8080 true secret changeme hunter2 " +
		"abc123 iloveyou 000000 111111 123123 monkey1 dragon99 Winter2023 p@ssw0rd1 welcome1 test1234 root toor 19841984") {
		if s := Strength([]byte(v)); s >= Weak {
			t.Errorf("%q: %.1f bits, want it weak", v, s)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		for _, c := range []struct {
			alphabet string
			n        int
		}{{digitChars, 16}, {lowerChars, 12}, {digitChars + lowerChars + upperChars, 10}, {"0123456789abcdef", 16}} {
			v := random(r, c.alphabet, c.n)
			if s := Strength(v); s < Weak {
				t.Errorf("%q: %.1f bits, want it strong", v, s)
			}
		}
	}
}

// TestRandomIsRarelyWeak: few random values look like what people choose. An estimate that counts guesses, and not
// resemblances, is k bits too low for one in 2^k of them.
func TestRandomIsRarelyWeak(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const values = 2000
	for _, c := range []struct {
		alphabet string
		n        int // of 46 to 48 bits
	}{{digitChars, 14}, {lowerChars, 10}, {digitChars + lowerChars, 9}, {digitChars + lowerChars + upperChars, 8}, {"0123456789abcdef", 12}} {
		weak := 0
		for range values {
			if Strength(random(r, c.alphabet, c.n)) < Weak {
				weak++
			}
		}
		if weak > values*3/200 {
			t.Errorf("%d of %d random values of %d of %d characters are called weak", weak, values, c.n, len(c.alphabet))
		}
	}
}

// TestYears: the years that people use are cheap, other numbers are not.
func TestYears(t *testing.T) {
	for _, c := range []struct {
		before, rest string
		want         bool
	}{
		{"", "1930", true}, {"", "1999", true}, {"", "2059", true}, {"a", "1999b", true}, {"0101", "1999", true},
		{"", "1929", false}, {"", "2060", false}, {"", "1830", false}, {"", "2100", false}, {"12345", "1999", false}, {"", "199", false}, {"", "19x9", false},
	} {
		if got := year([]byte(c.before+c.rest), len(c.before)); got != c.want {
			t.Errorf("%q behind %q: a year is %v, want %v", c.rest, c.before, got, c.want)
		}
	}
}

// TestStrengthGrows: no estimate is above that of a random value of the same
// length, below zero, or not a number; and white space around it adds nothing.
func TestStrengthGrows(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		v := make([]byte, r.IntN(400))
		for i := range v {
			v[i] = byte(r.Uint32())
		}
		s := Strength(v)
		if math.IsNaN(s) || math.IsInf(s, 0) || s < 0 || s > 8*float64(len(v)) {
			t.Errorf("%q: %v bits", v, s)
		}
	}
	if a, b := Strength([]byte("hunter2")), Strength([]byte(" hunter2\n")); a != b {
		t.Errorf("%v bits, %v with white space", a, b)
	}
}

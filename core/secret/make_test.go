package secret

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		in   string
		raw  bool
		want string
	}{
		{"abc\n", false, "abc"},
		{"abc\r\n", false, "abc"},
		{"abc\n\n", false, "abc\n"},
		{"abc\r", false, "abc\r"},
		{"abc", false, "abc"},
		{"abc\n", true, "abc\n"},
		{"\n", false, ""},
		{"a\x00b\n", false, "a\x00b"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
			v, err := Read(r, c.raw)
			if err != nil || string(v.Reveal()) != c.want {
				t.Errorf("%q raw=%v by %s: %q, %v, want %q", c.in, c.raw, name, v.Reveal(), err, c.want)
			}
		}
	}
	if _, err := Read(iotest.ErrReader(errors.New("broken")), false); err == nil {
		t.Error("a failing reader is no error")
	}
}

// The longest value fits with its newline; one byte more is refused, not cut.
func TestReadLimit(t *testing.T) {
	for n, want := range map[int]error{MaxValue: nil, MaxValue + 1: ErrTooLong, MaxValue * 2: ErrTooLong} {
		v, err := Read(strings.NewReader(strings.Repeat("x", n)+"\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Check(false); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

// Every letter comes up about as often: 62 does not divide 256.
func TestDrawIsFair(t *testing.T) {
	letters := alphabets()["alnum"]
	const each = 4000
	seen := map[byte]int{}
	for _, b := range draw(each*len(letters), letters) {
		seen[b]++
	}
	for i := range len(letters) { // 6 standard deviations; the bias of a plain modulo is 25 %
		if n := seen[letters[i]]; n < each-380 || n > each+380 {
			t.Errorf("%c came up %d times, want about %d", letters[i], n, each)
		}
	}
}

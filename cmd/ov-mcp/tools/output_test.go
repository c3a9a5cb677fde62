package tools

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestClip compares with cutting the whole, for random pieces.
func TestClip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		max := 1 + r.IntN(64)
		c := newClip(max)
		var all []byte
		for range r.IntN(12) {
			p := make([]byte, r.IntN(40))
			for i := range p {
				p[i] = byte('a' + r.IntN(26))
			}
			c.Write(p)
			all = append(all, p...)
		}
		got := c.text()
		if len(all) <= max {
			if got != string(all) {
				t.Fatalf("max %d: %q became %q", max, all, got)
			}
			continue
		}
		head, tail := string(all[:max/2]), string(all[len(all)-(max-max/2):])
		if !strings.HasPrefix(got, head+"\n[... ") || !strings.HasSuffix(got, " ...]\n"+tail) || c.dropped() != int64(len(all)-max) {
			t.Fatalf("max %d, %d bytes: %q", max, len(all), got)
		}
	}
}

func TestClipKeepsCharactersWhole(t *testing.T) {
	for max := 4; max < 24; max++ {
		c := newClip(max)
		for range 20 {
			c.Write([]byte("é𝄞"))
		}
		s := c.text()
		if !utf8.ValidString(s) || strings.Contains(s, "\uFFFD") {
			t.Errorf("max %d: %q", max, s)
		}
	}
	c := newClip(100)
	c.Write([]byte("a\xffb\x00"))
	if s := c.text(); s != "a\uFFFDb\x00" {
		t.Errorf("%q", s)
	}
}

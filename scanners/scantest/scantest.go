// Package scantest is the suite that every scanner passes.
package scantest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// An Example is a text that the scanner must mask a part of, and one that it must
// leave alone.
type Example struct {
	Rule   string // whose marker must stand in the text
	Text   string
	Secret string // must not be left, nor any 8 bytes of it
	Clean  string // must pass unchanged
}

// Accept holds a scanner against the contract of scan.Scanner: declarations that
// the engine takes, the examples, the same answer at every cut and the second
// time, windows that are not written to, and no answer of "more" where none can
// come.
func Accept(t *testing.T, s scan.Scanner, examples ...Example) {
	t.Helper()
	set, err := rule.Compile([]scan.Scanner{s}, scan.Strict)
	if err != nil {
		t.Fatalf("the engine refuses a declaration: %v", err)
	}
	if len(s.Rules()) == 0 || len(examples) == 0 {
		t.Fatal("no rules or no examples")
	}
	for _, e := range examples {
		in := []byte(e.Text)
		want := mask(t, set, in)
		if !strings.Contains(want, rule.Marker(e.Rule)) || left(want, e.Secret) {
			t.Errorf("rule %s: %q becomes %q", e.Rule, e.Text, want)
		}
		if got := mask(t, set, slices.Collect(slices.Chunk(in, 1))...); got != want {
			t.Errorf("byte by byte %q becomes %q, not %q", e.Text, got, want)
		}
		for i := range in {
			if got := mask(t, set, in[:i], in[i:]); got != want {
				t.Errorf("cut at %d %q becomes %q, not %q", i, e.Text, got, want)
				break
			}
		}
		if string(in) != e.Text {
			t.Errorf("rule %s writes to its window", e.Rule)
		}
		if got := mask(t, set, []byte(e.Clean)); got != e.Clean {
			t.Errorf("%q should pass and becomes %q", e.Clean, got)
		}
	}
	final(t, s, examples)
}

// final checks that no rule asks for more when there is none.
func final(t *testing.T, s scan.Scanner, examples []Example) {
	t.Helper()
	for i, r := range s.Rules() {
		for _, k := range r.Keywords {
			for _, tail := range []string{"", "=", " ", ": \"", strings.Repeat("x9", 40)} {
				w := []byte(k + tail)
				w = w[:min(len(w), r.Need)]
				if len(w) < len(k) {
					continue
				}
				spans, more := s.Check(i, w, 0, true)
				if more {
					t.Errorf("rule %s wants more after the end of %q", r.ID, w)
				}
				again, _ := s.Check(i, w, 0, true)
				if !slices.Equal(spans, again) {
					t.Errorf("rule %s says %v and then %v of %q", r.ID, spans, again, w)
				}
				for _, sp := range spans {
					if sp.Start < 0 || sp.End > len(w) || sp.End < sp.Start || sp.Open && r.Swallow == nil && r.Follow == nil {
						t.Errorf("rule %s: span %+v of %d bytes", r.ID, sp, len(w))
					}
				}
			}
		}
	}
}

func mask(t *testing.T, set *rule.Set, parts ...[]byte) string {
	t.Helper()
	var out bytes.Buffer
	f := rule.NewFilter(&out, set, nil)
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// left reports whether eight bytes of the secret are in the text.
func left(text, secret string) bool {
	n := min(8, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return true
		}
	}
	return false
}

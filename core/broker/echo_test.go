package broker

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// script is a terminal that answers each key at once; the masked output so far
// is noted before each answer is read.
type script struct {
	answers []string
	keys    *typed
	inputs  []string
	out     *bytes.Buffer
	seen    []string
}

func (s *script) Read(b []byte) (int, error) {
	s.seen = append(s.seen, s.out.String())
	if len(s.answers) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.answers[0])
	s.keys.add([]byte(s.inputs[0]))
	s.answers, s.inputs = s.answers[1:], s.inputs[1:]
	return n, nil
}

func TestEcho(t *testing.T) {
	set, err := redact.Compile([]redact.Needle{{Name: "TOKEN", Value: secret.New([]byte(token))}}, redact.Options{Lanes: redact.Exact})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name           string
		typed, answers []string
		want           []string // on the screen before each further answer
	}{
		{"typed is shown at once", []string{"t", "o", "p"}, []string{"t", "o", "p"}, []string{"", "t", "to", "top"}},
		{"not typed is held", []string{"", "", ""}, []string{"t", "o", "p"}, []string{"", "", "", "top"}},
		{"typed other than printed is held", []string{"x", "y"}, []string{"t", "op"}, []string{"", "", "top"}},
		{"one key does not free what it does not end with", []string{"", "o"}, []string{"t", "o"}, []string{"", "", ""}},
		{"a key does not open the rest", []string{"t", ""}, []string{"t", token[1:]}, []string{"", "t", "t[REDACTED:TOKEN]"}},
	} {
		var out bytes.Buffer
		keys := &typed{}
		src := &script{answers: c.answers, keys: keys, inputs: c.typed, out: &out}
		w := redact.NewWriter(&out, set, nil)
		if _, err := w.ReadFrom(&echoing{src, w, keys}); err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Join(src.seen, "|"), strings.Join(c.want, "|"); got != want {
			t.Errorf("%s: got %q, want %q", c.name, got, want)
		}
		if w.Close(); strings.Contains(out.String(), token) {
			t.Errorf("%s: leaked", c.name)
		}
	}
}

func TestTypedIsBoundedAndForgotten(t *testing.T) {
	k := &typed{}
	for range 100 {
		k.add([]byte("0123456789"))
	}
	k.add(bytes.Repeat([]byte("x"), 10*typedBytes))
	k.add([]byte("end"))
	got := k.recent()
	if len(got) > 2*typedBytes || !bytes.HasSuffix(got, []byte("xend")) {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-4:])
	}
	k.at = time.Now().Add(-2 * typedAge)
	if k.recent() != nil || bytes.Contains(k.last[:cap(k.last)], []byte("x")) {
		t.Error("old keys are remembered")
	}
}

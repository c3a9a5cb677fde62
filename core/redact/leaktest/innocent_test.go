package leaktest

import (
	"bytes"
	"io"
	"strconv"
	"testing"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/redact/leaktest/innocent"
	"github.com/opaquevault/ov/core/secret"
)

func vault(t *testing.T) *redact.Set {
	t.Helper()
	var needles []redact.Needle
	for _, s := range innocent.Vault() {
		needles = append(needles, redact.Needle{Name: s.Name, Value: secret.New([]byte(s.Value))})
	}
	if len(needles) != 50 {
		t.Fatalf("%d secrets in the vault, want 50", len(needles))
	}
	return compile(t, needles, redact.Options{})
}

// TestInnocent: all four lanes together, with 50 secrets, mask nothing in the
// corpus and in 50 MB of output that hold none of them, and pass it on unchanged.
func TestInnocent(t *testing.T) {
	set := vault(t)
	report := func(name string, text func(i int64) []byte) func(redact.Mask) {
		return func(m redact.Mask) {
			t.Errorf("%s: %s masked at %d by %s: %q", name, m.Name, m.Start, m.Lane, text(m.Start)[:m.End-m.Start])
		}
	}
	files := 0
	err := innocent.Corpus(func(name string, text []byte) error {
		files++
		var out bytes.Buffer
		w := redact.NewWriter(&out, set, report(name, func(i int64) []byte { return text[i:] }))
		if _, err := w.ReadFrom(bytes.NewReader(text)); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if !bytes.Equal(out.Bytes(), text) {
			t.Errorf("%s: the output differs", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Errorf("%d files in the corpus: the test looks in the wrong place", files)
	}
	megabytes := uint64(50)
	if testing.Short() {
		megabytes = 4
	}
	for seed := range megabytes {
		var text bytes.Buffer
		if err := innocent.Write(&text, 1<<20, seed+1); err != nil {
			t.Fatal(err)
		}
		w := redact.NewWriter(io.Discard, set, report("generated "+strconv.FormatUint(seed, 10), func(i int64) []byte { return text.Bytes()[i:] }))
		if _, err := w.Write(text.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGuilty: the same set masks each secret of the vault in the same output.
func TestGuilty(t *testing.T) {
	set := vault(t)
	for _, s := range innocent.Vault() {
		var text bytes.Buffer
		if err := innocent.Write(&text, 4<<10, 3); err != nil {
			t.Fatal(err)
		}
		want := text.String() + "[REDACTED:" + s.Name + "]" + text.String()
		in := text.String() + s.Value + text.String()
		var out bytes.Buffer
		w := redact.NewWriter(&out, set, nil)
		w.Write([]byte(in))
		w.Close()
		if out.String() != want {
			t.Errorf("%s is not masked as one range", s.Name)
		}
	}
}

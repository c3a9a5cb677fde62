package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/redact"
)

func TestSecrets(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000, 10000} {
		all := secrets(n)
		if len(all) != n || !slices.Equal(all, secrets(n)) {
			t.Errorf("%d secrets, want %d, the same each time", len(all), n)
		}
		sorted := slices.Sorted(slices.Values(all))
		if len(slices.Compact(sorted)) != n {
			t.Errorf("two of %d secrets are the same", n)
		}
	}
	if all := periodic(1000); len(slices.Compact(slices.Sorted(slices.Values(all)))) != 1000 {
		t.Error("two periodic needles are the same")
	}
}

// TestInputs: each input is as long as asked for and holds the secrets that it
// should; the masker finds as many as a naive count.
func TestInputs(t *testing.T) {
	values := secrets(100)
	for name, print := range map[string]func(*input){
		"log": (*input).log, "json": (*input).json, "base64": (*input).base64, "binary": (*input).binary,
	} {
		text := newInput(4<<20, values).fill(print)
		if len(text) != 4<<20 {
			t.Errorf("%s: %d bytes", name, len(text))
		}
		want := 0
		for _, v := range values {
			want += bytes.Count(text, []byte(v))
		}
		if want < 3 || want > 6 {
			t.Errorf("%s: %d secrets in 4 MiB", name, want)
		}
		var out bytes.Buffer
		w := redact.NewWriter(&out, compile(values, exact), nil)
		w.Write(text)
		w.Close()
		if got := bytes.Count(out.Bytes(), []byte("[REDACTED:")); got != want {
			t.Errorf("%s: %d masked, want %d", name, got, want)
		}
	}
}

func TestHeld(t *testing.T) {
	if n := held([]byte(strings.Repeat("a line of text\n", 10000))); n != 0 {
		t.Errorf("%d bytes held back", n)
	}
	if n := held([]byte("ends like a needle \x01")); n != 1 {
		t.Errorf("%d bytes held back of a needle's first byte, want 1", n)
	}
}

func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	os.WriteFile(path, []byte("head\n"+begin+"old\n"+finish+"tail\n"), 0o600)
	if err := rewrite(path, "new"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(path)
	if want := "head\n" + begin + "\nnew\n" + finish + "tail\n"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	os.WriteFile(path, []byte("no place\n"), 0o600)
	if err := rewrite(path, "new"); err == nil {
		t.Error("a document without a place for the table was rewritten")
	}
}

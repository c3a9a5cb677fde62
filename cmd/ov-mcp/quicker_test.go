package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestQuicker: the helper is used while its file is the one of the beginning.
func TestQuicker(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ov")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	q := quicker{path, st}
	if got := q.helper(); got != path {
		t.Errorf("the very file: %q", got)
	}
	write("longer")
	if got := q.helper(); got != "" {
		t.Errorf("another size: %q", got)
	}
	write("two")
	os.Chtimes(path, time.Time{}, st.ModTime().Add(time.Second))
	if got := q.helper(); got != "" {
		t.Errorf("another time: %q", got)
	}
	os.Chtimes(path, time.Time{}, st.ModTime())
	if got := q.helper(); got != path {
		t.Errorf("as it was: %q", got)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if got := q.helper(); got != "" {
		t.Errorf("gone: %q", got)
	}
	write("one")
	os.Chtimes(path, time.Time{}, st.ModTime())
	if got := q.helper(); got != "" {
		t.Errorf("another file of the same size and time: %q", got)
	}
	if got := (quicker{}).helper(); got != "" {
		t.Errorf("none: %q", got)
	}
}

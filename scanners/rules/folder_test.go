package rules

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

const acme = "[[rules]]\nid = \"acme\"\nkeywords = [\"acme_\"]\nregex = '''acme_[a-z0-9]{8}'''\n"

// Whoever takes a rule file away, or puts another one there, does not weaken
// masking: it does not start.
func TestFolder(t *testing.T) {
	d := Folder{Dir: filepath.Join(t.TempDir(), "scanners")}
	if all, err := d.Scanners(); err != nil || len(all) != 0 {
		t.Fatalf("no folder: %d, %v", len(all), err)
	}
	add := func(name string) {
		t.Helper()
		if f, err := d.Add(name, []byte(acme)); err != nil || f.Len != 1 {
			t.Fatal(err)
		}
	}
	add("b.toml")
	add("a.toml")
	if all, err := d.Load(); err != nil || len(all) != 2 || all[0].Name != "a.toml" {
		t.Fatalf("two files: %v, %v", all, err)
	}
	for what, damage := range map[string]func() error{
		"a file that is gone":       func() error { return os.Remove(d.path("a.toml")) },
		"a file that has changed":   func() error { return os.WriteFile(d.path("a.toml"), []byte(acme+"# x\n"), 0o600) },
		"an empty file":             func() error { return os.Truncate(d.path("a.toml"), 0) },
		"a file that was not added": func() error { return os.WriteFile(d.path("c.toml"), []byte(acme), 0o600) },
		"a lock that is gone":       func() error { return os.Remove(d.path(LockFile)) },
		"a lock that is cut":        func() error { return os.Truncate(d.path(LockFile), 70) },
		"a lock that names others":  func() error { return os.WriteFile(d.path(LockFile), []byte("00  ../x.toml\n"), 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if all, err := d.Scanners(); !errors.Is(err, ErrChanged) || len(all) != 0 {
			t.Errorf("%s: %d scanners, %v", what, len(all), err)
		}
		os.Remove(d.path(LockFile))
		os.Remove(d.path("c.toml"))
		add("a.toml")
		add("b.toml")
	}
	if err := os.Remove(d.path("a.toml")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.toml", "b.toml"} {
		if err := d.Remove(name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if all, err := d.Scanners(); err != nil || len(all) != 0 {
		t.Errorf("all removed: %d, %v", len(all), err)
	}
	if err := d.Remove("a.toml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("remove what is not there: %v", err)
	}
}

func TestFolderNames(t *testing.T) {
	d := Folder{Dir: t.TempDir()}
	for _, name := range []string{"", ".toml", "_x.toml", "../x.toml", "X.toml", "x.txt", "a b.toml", "x\n.toml", "-.toml"} {
		if _, err := d.Add(name, []byte(acme)); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if err := d.Remove(name); !errors.Is(err, ErrName) {
			t.Errorf("remove %q: %v", name, err)
		}
	}
	if _, err := d.Add("x.toml", []byte("[[rules]]\n")); err == nil {
		t.Error("a rule without an id was added")
	}
}

package clients

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Backup is what is appended to the name of a file before it is changed; it
// holds the file as it was before ov first touched it.
const Backup = ".before-ov"

// Read returns a file's contents; a file that is not there is empty.
func Read(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return b, nil
}

// BackupOf returns the name of a file's backup, which lies beside the file that a
// link leads to.
func BackupOf(path string) string { return target(path) + Backup }

// target is where the links from path lead, also when nothing is there yet.
func target(path string) string {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path
}

// Write replaces a file whole or not at all, with its mode, through a link if it
// is one, and keeps a backup of what was there first.
func Write(path string, before, after []byte) error {
	path = target(path)
	mode := os.FileMode(0o600) // such files tend to hold tokens
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if _, err := os.Stat(path + Backup); before != nil && errors.Is(err, fs.ErrNotExist) {
		if err := replace(path+Backup, before, mode); err != nil {
			return err
		}
	}
	return replace(path, after, mode)
}

func replace(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ov-*")
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// Diff shows the lines that change, with three lines around them.
func Diff(path string, before, after []byte) string {
	if bytes.Equal(before, after) {
		return ""
	}
	a, b := lines(before), lines(after)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	endA, endB := len(a), len(b)
	for endA > start && endB > start && a[endA-1] == b[endB-1] {
		endA, endB = endA-1, endB-1
	}
	from, toA := max(0, start-3), min(len(a), endA+3)
	var d strings.Builder
	fmt.Fprintf(&d, "--- %s\n+++ %s\n@@ -%d,%d +%d,%d @@\n", path, path, from+1, toA-from, from+1, toA-from+endB-endA)
	write := func(sign string, ls []string) {
		for _, l := range ls {
			d.WriteString(sign + l + "\n")
		}
	}
	write(" ", a[from:start])
	write("-", a[start:endA])
	write("+", b[start:endB])
	write(" ", a[endA:toA])
	return d.String()
}

func lines(b []byte) []string {
	if len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
}

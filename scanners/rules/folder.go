package rules

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// LockFile is the name of the file beside the rule files that says what each
// must be: lines as sha256sum writes them.
const LockFile = "rules.lock"

// Errors about a folder that callers tell apart.
var (
	ErrName    = errors.New("want a name of a-z, 0-9, dots, hyphens and underscores that ends in .toml")
	ErrChanged = errors.New("the rule files are not the ones that were added")
)

// A Folder holds the rule files that were added. One that is missing, has
// changed or was not added stops masking: it was to mask something.
type Folder string

// An Added is one rule file of a folder.
type Added struct {
	Name string
	*File
}

// Add checks a rule file and keeps a copy.
func (d Folder) Add(name string, text []byte) (*File, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	f, err := Parse(name, text, true)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	sums, err := d.sums()
	if err != nil {
		return nil, err
	}
	// The lock last: what is between the two is a stop, not a gap.
	if err := replace(d.path(name), text); err != nil {
		return nil, err
	}
	sums[name] = digest(text)
	return f, d.lock(sums)
}

// Remove forgets a rule file.
func (d Folder) Remove(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	sums, err := d.sums()
	if err != nil {
		return err
	}
	// The lock last, as in Add. What it names may be gone already: that is mended here.
	if err := os.Remove(d.path(name)); err != nil && (sums[name] == "" || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	delete(sums, name)
	return d.lock(sums)
}

// Load reads the rule files, in the order of their names.
func (d Folder) Load() ([]Added, error) {
	sums, err := d.sums()
	if err != nil {
		return nil, err
	}
	names, err := d.names()
	if err != nil {
		return nil, err
	}
	for name := range sums {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("%w: %q is gone", ErrChanged, name)
		}
	}
	var all []Added
	for _, name := range names {
		text, err := os.ReadFile(d.path(name))
		if err != nil {
			return nil, err
		}
		if sums[name] != digest(text) {
			return nil, fmt.Errorf("%w: %q", ErrChanged, name)
		}
		f, err := Parse(name, text, false)
		if err != nil {
			return nil, err
		}
		all = append(all, Added{name, f})
	}
	return all, nil
}

// Scanners returns what the rule files look for.
func (d Folder) Scanners() ([]scan.Scanner, error) {
	files, err := d.Load()
	var all []scan.Scanner
	for _, f := range files {
		all = append(all, f.Scanner)
	}
	return all, err
}

// names lists the rule files that are there.
func (d Folder) names() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []string
	for _, e := range entries { // by name
		if CheckName(e.Name()) == nil {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// sums reads the lock file: name -> sha256. No file, no rule files.
func (d Folder) sums() (map[string]string, error) {
	sums := map[string]string{}
	text, err := os.ReadFile(d.path(LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return sums, nil
	} else if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || CheckName(name) != nil || sums[name] != "" {
			return nil, fmt.Errorf("%w: read %s: %q", ErrChanged, LockFile, line)
		}
		sums[name] = sum
	}
	return sums, nil
}

func (d Folder) lock(sums map[string]string) error {
	var lines []string
	for name, sum := range sums {
		lines = append(lines, sum+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return replace(d.path(LockFile), []byte(strings.Join(lines, "")))
}

func (d Folder) path(name string) string { return filepath.Join(string(d), name) }

// CheckName reports a name that no rule file in a Folder can have.
func CheckName(name string) error {
	stem, ok := strings.CutSuffix(name, ".toml")
	if !ok || stem == "" || len(stem) > 64 || strings.Trim(stem, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(stem[:1], "._-") {
		return fmt.Errorf("rule file %q: %w", name, ErrName)
	}
	return nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// replace writes a file whole or not at all.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

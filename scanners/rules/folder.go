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
// changed or was not added stops masking: it was to mask something. Attest, if
// set, is shown the lock file's bytes whenever they are read (nil: there is no
// such file) and may refuse them; Record is asked before new ones are written.
type Folder struct {
	Dir    string
	Attest func(lock []byte) error
	Record func(lock []byte) error
}

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
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, err
	}
	sums, err := d.sums()
	if err != nil {
		return nil, err
	}
	sums[name] = digest(text)
	// The lock last: what is between the two is a stop, not a gap.
	return f, d.lock(sums, func() error { return replace(d.path(name), text) })
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
	if _, err := os.Lstat(d.path(name)); err != nil && sums[name] == "" {
		return err
	}
	delete(sums, name)
	// The lock last, as in Add. What it names may be gone already: that is mended here.
	return d.lock(sums, func() error {
		if err := os.Remove(d.path(name)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
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
	entries, err := os.ReadDir(d.Dir)
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
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if d.Attest != nil {
		if err := d.Attest(text); err != nil {
			return nil, err
		}
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

// lock records what is to be locked, makes the change to the files, and locks it.
func (d Folder) lock(sums map[string]string, change func() error) error {
	var lines []string
	for name, sum := range sums {
		lines = append(lines, sum+"  "+name+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	text := []byte(strings.Join(lines, ""))
	if d.Record != nil {
		if err := d.Record(text); err != nil {
			return err
		}
	}
	if err := change(); err != nil {
		return err
	}
	return replace(d.path(LockFile), text)
}

func (d Folder) path(name string) string { return filepath.Join(d.Dir, name) }

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

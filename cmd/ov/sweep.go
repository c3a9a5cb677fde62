package main

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
)

// Limits of one sweep. What lies beyond them is said.
const (
	sweepEntries = 200_000
	sweepFile    = 64 << 20
	sweepBytes   = 1 << 30
)

// sweepTick is by how much the clock of a file system may be behind ours.
const sweepTick = 10 * time.Millisecond

// A sweep looks for the secrets of a run in the files that it has written below
// the working directory. It tells paths, names and lines, never a value.
type sweep struct {
	root  *os.Root // opened before the run: wherever the folder is by then
	since time.Time
	say   func(format string, args ...any)

	set            *redact.Set
	device         uint64
	entries, files int
	bytes          int64
	found          []remnant
	missed         int
}

// A remnant is a secret in a file, or in the name of one.
type remnant struct {
	path, name string
	line       int64 // the first; 0: in the name
	times      int64
}

// newSweep opens dir; a run that starts from now on is what the sweep is about.
func (c *cli) newSweep(dir string) (*sweep, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open working directory: %w", err)
	}
	return &sweep{root: root, since: time.Now().Add(-sweepTick), say: c.say}, nil
}

// look does it with the needles of the run and returns what the audit record says
// of it. Whatever fails is said and changes nothing about the run.
func (s *sweep) look(set *redact.Set) []agent.Count {
	s.set = set
	if info, err := s.root.Stat("."); err == nil {
		_, s.device = written(info)
	}
	if err := fs.WalkDir(s.root.FS(), ".", s.visit); err != nil {
		s.miss(".", err)
	}
	counts, holding := []agent.Count(nil), map[string]bool{}
	for _, f := range s.found {
		holding[f.path] = true
		counts = append(counts, agent.Count{Name: f.name, Lane: "sweep", N: f.times})
		s.say("sweep: %s holds %s %s", f.path, f.name, f.where())
	}
	if s.missed > missesShown {
		s.say("sweep: %s not looked into", plural(s.missed-missesShown, "more file"))
	}
	s.say("sweep: %s written, %d with a secret", plural(s.files, "file"), len(holding))
	return sum(counts)
}

func (r remnant) where() string {
	switch {
	case r.line == 0:
		return "in its name"
	case r.times > 1:
		return fmt.Sprintf("on line %d, and %d more", r.line, r.times-1)
	}
	return fmt.Sprintf("on line %d", r.line)
}

// visit looks into one entry.
func (s *sweep) visit(path string, d fs.DirEntry, err error) error {
	if s.entries++; s.entries > sweepEntries {
		s.miss(path, fmt.Errorf("and what follows: more than %d files and folders", sweepEntries))
		return fs.SkipAll
	}
	if err != nil {
		if path != "." && errors.Is(err, fs.ErrNotExist) {
			return nil // gone meanwhile
		}
		s.miss(path, err)
		if d != nil && d.IsDir() {
			return fs.SkipDir
		}
		return nil
	}
	info, err := d.Info()
	if err != nil {
		return nil
	}
	changed, device := written(info)
	if d.IsDir() && device != s.device {
		s.miss(path, errors.New("another file system"))
		return fs.SkipDir
	}
	if changed.Nanosecond() == 0 {
		changed = changed.Add(2 * time.Second) // a file system that counts in seconds, or pairs of them
	}
	if path == "." || changed.Before(s.since) {
		return nil
	}
	shown := s.name(path, filepath.Base(path))
	if d.Type()&fs.ModeSymlink != 0 {
		target, _ := s.root.Readlink(path)
		s.name(path, target)
	}
	if !d.Type().IsRegular() {
		return nil
	}
	s.files++
	if err := s.file(path, shown); err != nil {
		s.miss(path, err)
	}
	return nil
}

// name looks for secrets in what an entry is called, or points to, and returns what of its path may be shown.
func (s *sweep) name(path, text string) (shown string) {
	shown, _ = s.mask(path)
	_, names := s.mask(text)
	for _, name := range names {
		s.found = append(s.found, remnant{shown, name, 0, 1})
	}
	return shown
}

// mask masks text and returns which secrets were in it.
func (s *sweep) mask(text string) (masked string, names []string) {
	var out strings.Builder
	w := redact.NewWriter(&out, s.set, func(m redact.Mask) { names = append(names, m.Name) })
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		return "a path", names
	}
	return out.String(), names
}

// file looks into one file, twice when something is found: for what, and for where.
func (s *sweep) file(path, shown string) error {
	if s.bytes > sweepBytes {
		return fmt.Errorf("more than %d bytes were written in all", sweepBytes)
	}
	body, err := s.open(path)
	if err != nil || body == nil {
		return err
	}
	defer body.Close()
	first, order := map[string]int64{}, []string(nil)
	times := map[string]int64{}
	w := redact.NewWriter(io.Discard, s.set, func(m redact.Mask) {
		if times[m.Name]++; times[m.Name] == 1 {
			first[m.Name], order = m.Start, append(order, m.Name)
		}
	})
	n, err := w.ReadFrom(body)
	s.bytes += n
	err = errors.Join(err, w.Close())
	for _, name := range order {
		s.found = append(s.found, remnant{shown, name, s.line(path, first[name]), times[name]})
	}
	return err
}

// line is the line of a file that a byte is on.
func (s *sweep) line(path string, at int64) int64 {
	body, err := s.open(path)
	if err != nil || body == nil {
		return 1
	}
	defer body.Close()
	var lines newlines
	_, _ = io.CopyN(&lines, body, at)
	return int64(lines) + 1
}

// newlines counts them.
type newlines int64

func (n *newlines) Write(b []byte) (int, error) {
	*n += newlines(bytes.Count(b, []byte{'\n'}))
	return len(b), nil
}

// open opens a file for reading within the limits; nil means that there is nothing to read. What git compresses is unpacked.
func (s *sweep) open(path string) (io.ReadCloser, error) {
	f, err := s.root.OpenFile(path, os.O_RDONLY|sweepFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		f.Close()
		return nil, nil // it was one a moment ago
	case info.Size() > sweepFile:
		err = fmt.Errorf("larger than %d bytes", sweepFile)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	var body io.Reader = f
	if isObject(path) {
		if z, err := zlib.NewReader(f); err == nil {
			body = z
		} else if _, err := f.Seek(0, io.SeekStart); err != nil {
			f.Close()
			return nil, err
		}
	}
	return limited{io.LimitReader(body, sweepFile), f}, nil
}

// limited is a part of a file.
type limited struct {
	io.Reader
	io.Closer
}

// isObject reports whether git compresses the file: .git/objects/12/3456...
func isObject(path string) bool {
	dir, name := filepath.Split(path)
	dir = filepath.ToSlash(filepath.Clean(dir))
	return len(name) >= 38 && len(dir) > 3 && strings.HasSuffix(dir[:len(dir)-3], ".git/objects")
}

// missesShown bounds what is said of a folder full of what cannot be looked into.
const missesShown = 20

func (s *sweep) miss(path string, err error) {
	if s.missed++; s.missed > missesShown {
		return
	}
	var p *fs.PathError
	if errors.As(err, &p) { // its path is not masked
		err = p.Err
	}
	shown, _ := s.mask(path)
	s.say("sweep: %s: not looked into: %v", shown, err)
}

// sum adds up counts of the same secret.
func sum(counts []agent.Count) (all []agent.Count) {
next:
	for _, c := range counts {
		for i := range all {
			if all[i].Name == c.Name {
				all[i].N += c.N
				continue next
			}
		}
		all = append(all, c)
	}
	return all
}

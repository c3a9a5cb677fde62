// Package walk finds secrets where they lie: in files, archives, git history and
// the configuration of MCP clients. It reports places, rules and a masked
// preview; a found value never leaves it whole.
package walk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/rule"
)

// Defaults of Options.
const (
	DefaultMaxSize  = 64 << 20
	DefaultDepth    = 2
	DefaultUnpacked = 512 << 20
)

// Options say what to look for and how far to go.
type Options struct {
	Rules    *rule.Set
	Vault    *redact.Set // values of the vault to look for, or nil
	Key      []byte      // of the fingerprints
	NoIgnore bool        // look into what .gitignore names
	Binary   bool        // look into files with NUL bytes
	MaxSize  int64       // skip larger files; 0 means no limit
	Depth    int         // archives in archives; 0 means do not open any
	Unpacked int64       // bytes of what an archive unpacks to; 0 means DefaultUnpacked
	Progress func(files, bytes int64)
}

// A Skip is something that was not looked into.
type Skip struct {
	Path   string `json:"path"`
	Why    string `json:"why"`
	Failed bool   `json:"failed"` // it should have been
}

// A Result is what a walk found.
type Result struct {
	Findings []Finding `json:"findings"`
	Skipped  []Skip    `json:"skipped"`
	Files    int64     `json:"files"`
	Bytes    int64     `json:"bytes"`
}

// walker is one run.
type walker struct {
	Options
	mu           sync.Mutex
	result       Result
	files, bytes atomic.Int64
}

// Paths looks through files and folders. What cannot be read is reported and
// does not stop the walk.
func Paths(ctx context.Context, roots []string, o Options) (*Result, error) {
	w := &walker{Options: o}
	jobs := make(chan job, 64)
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for j := range jobs {
				w.file(ctx, j)
			}
		})
	}
	var err error
	for _, root := range roots {
		if err = w.tree(ctx, root, jobs); err != nil {
			break
		}
	}
	close(jobs)
	wait.Wait()
	return w.done(), err
}

// Reader looks through one stream.
func Reader(r io.Reader, name string, o Options) (*Result, error) {
	w := &walker{Options: o}
	w.files.Add(1)
	err := w.stream(r, name, where{})
	return w.done(), err
}

// job is a file to look into, and the path that reports name.
type job struct{ path, shown string }

// done returns the result in a stable order.
func (w *walker) done() *Result {
	w.result.Files, w.result.Bytes = w.files.Load(), w.bytes.Load()
	slices.SortFunc(w.result.Findings, Finding.compare)
	slices.SortFunc(w.result.Skipped, func(a, b Skip) int { return compareStrings(a.Path, b.Path) })
	return &w.result
}

// tree sends the files below root to the workers. Symbolic links are not
// followed, but for the root itself.
func (w *walker) tree(ctx context.Context, root string, jobs chan<- job) error {
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return fmt.Errorf("scan %q: %w", root, errors.Unwrap(err))
	}
	ignored := newIgnores(real, !w.NoIgnore)
	return filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		shown := path
		if real != root {
			if rel, e := filepath.Rel(real, path); e == nil {
				shown = filepath.Join(root, rel)
			}
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			w.skip(shown, "unreadable: "+cause(err), true)
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			if path != real && (d.Name() == ".git" || ignored.dir(path)) {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil // links, sockets, devices
		case ignored.file(path):
			return nil
		}
		select {
		case jobs <- job{path, shown}:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// file looks into one file.
func (w *walker) file(ctx context.Context, j job) {
	path := j.shown
	if ctx.Err() != nil {
		return
	}
	f, err := open(j.path)
	if err != nil {
		w.skip(path, "unreadable: "+cause(err), true)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		w.skip(path, "no regular file", true)
		return
	}
	if w.MaxSize > 0 && info.Size() > w.MaxSize {
		w.skip(path, fmt.Sprintf("larger than %d bytes", w.MaxSize), false)
		return
	}
	w.files.Add(1)
	b := &budget{left: cmp.Or(w.Unpacked, DefaultUnpacked), entries: archiveEntries}
	if err := w.content(f, info.Size(), path, w.Depth, b); err != nil {
		w.skip(path, "unreadable: "+cause(err), true)
	}
	w.progress()
}

// open opens a file without waiting for a writer, should it be a pipe by now.
func open(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|nonblock, 0) }

func (w *walker) progress() {
	if w.Progress != nil {
		w.Progress(w.files.Load(), w.bytes.Load())
	}
}

func (w *walker) skip(path, why string, failed bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Skipped = append(w.result.Skipped, Skip{path, why, failed})
}

// cause returns the reason of an error without its path.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// small opens a log with a file for each epoch.
func small(t *testing.T, dir string, masters ...[]byte) *Log {
	t.Helper()
	if masters == nil {
		masters = testKeys
	}
	l, err := Open(dir, masters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.maxFile = 1
	return l
}

// ten is a log of ten epochs and 40 records more.
func ten(t *testing.T) *Log {
	l := small(t, t.TempDir())
	fill(t, l, 0, 10*epochSize+40)
	return l
}

func prune(t *testing.T, l *Log, o PruneOptions) Pruned {
	t.Helper()
	p, err := l.Prune(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func sound(t *testing.T, l *Log, records, epochs int, removed uint64) Report {
	t.Helper()
	r, err := l.Verify()
	if err != nil || r.Bad != 0 || r.Problem != "" || r.Records != uint64(records) || r.Epochs != epochs || r.Removed != removed {
		t.Errorf("%+v, %v; want %d records, %d epochs, %d removed", r, err, records, epochs, removed)
	}
	return r
}

// TestPrune: what was to go is gone by whole epochs, what was to stay is there, each
// reader of the log begins where it does, and it goes on as if nothing had been.
func TestPrune(t *testing.T) {
	l := ten(t)
	before, err := l.Show(0)
	if err != nil {
		t.Fatal(err)
	}
	if p := prune(t, l, PruneOptions{Keep: 1000, Dry: true}); p.Records != 6*epochSize || p.Left != 4*epochSize+40 {
		t.Errorf("would remove %+v", p)
	}
	sound(t, l, 10*epochSize+40, 10, 0)
	p := prune(t, l, PruneOptions{Keep: 1000})
	if p.Records != 6*epochSize || p.Left != 4*epochSize+40 || !p.Newest.Equal(access(6*epochSize-1).Time) || len(p.Last) != 64 || !strings.Contains(p.Note, "ov-audit/") {
		t.Errorf("removed %+v", p)
	}
	r := sound(t, l, 4*epochSize+40, 4, 6*epochSize)
	if !r.Newest.Equal(p.Newest) || time.Since(r.Pruned) > time.Hour {
		t.Errorf("verify says %+v", r)
	}
	for no := uint64(1); no <= 6; no++ {
		if _, err := os.Lstat(l.path(no)); err == nil {
			t.Errorf("file %d is still there", no)
		}
	}
	after, err := l.Show(0)
	if err != nil || !reflect.DeepEqual(after, before[6*epochSize:]) {
		t.Errorf("%d entries, %v", len(after), err)
	}
	if page, err := l.Page(0, 10, time.Time{}); err != nil || len(page) != 10 || page[0].N != 6*epochSize+1 {
		t.Errorf("the first page begins with %+v, %v", page[0], err)
	}
	if recent, err := l.Recent(time.Time{}); err != nil || !reflect.DeepEqual(recent, after) {
		t.Errorf("Recent: %d entries, %v", len(recent), err)
	}
	if note, err := l.Checkpoint(); err != nil || note == p.Note || !strings.Contains(note, "ov-audit/") {
		t.Errorf("checkpoint %q, %v", note, err)
	}
	other := small(t, l.dir) // another process, and a later start
	fill(t, other, 5000, 2*epochSize)
	fill(t, l, 6000, 10)
	sound(t, l, 6*epochSize+50, 6, 6*epochSize)
	if p := prune(t, other, PruneOptions{Keep: 1}); p.Records != 6*epochSize || p.Left != 50 {
		t.Errorf("the second time: %+v", p)
	}
	r = sound(t, l, 50, 0, 12*epochSize)
	if r.Newest.Before(p.Newest) {
		t.Errorf("the newest of all removed is of %v", r.Newest)
	}
	if note, err := l.Checkpoint(); err != nil || note == "" {
		t.Errorf("no checkpoint is left (%v)", err)
	}
}

// TestPruneByAge: a file goes when every record of it is older.
func TestPruneByAge(t *testing.T) {
	for _, tt := range []struct {
		before time.Time
		want   uint64
	}{
		{access(epochSize - 1).Time, 0}, // its last record is not older
		{access(epochSize).Time, epochSize},
		{access(3*epochSize + 5).Time, 3 * epochSize},
		{access(1 << 20).Time, 10 * epochSize}, // never the file that is written to
	} {
		l := ten(t)
		if p := prune(t, l, PruneOptions{Before: tt.before}); p.Records != tt.want || p.Left != 10*epochSize+40-tt.want {
			t.Errorf("before %v: %+v, want %d", tt.before, p, tt.want)
		}
		sound(t, l, int(10*epochSize+40-tt.want), int(10-tt.want/epochSize), tt.want)
	}
	l := ten(t)
	if p := prune(t, l, PruneOptions{Before: access(9 * epochSize).Time, Keep: 5 * epochSize}); p.Records != 5*epochSize {
		t.Errorf("both bounds: %+v", p)
	}
}

// TestPruneNothing: a young log stays as it is, to the byte.
func TestPruneNothing(t *testing.T) {
	l := openLog(t, t.TempDir())
	fill(t, l, 0, 600)
	was, err := os.ReadFile(l.path(1))
	if err != nil {
		t.Fatal(err)
	}
	if p := prune(t, l, PruneOptions{Keep: 1}); p != (Pruned{Left: 600}) {
		t.Errorf("%+v", p)
	}
	if is, err := os.ReadFile(l.path(1)); err != nil || !bytes.Equal(is, was) {
		t.Errorf("the file was changed (%v)", err)
	}
	l.Close()
	if _, err := l.Prune(PruneOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestPruneOverRotations: the key of the vault changes before, between and after.
func TestPruneOverRotations(t *testing.T) {
	dir := t.TempDir()
	a, b, c := testKeys[0], bytes.Repeat([]byte{9}, 32), bytes.Repeat([]byte{11}, 32)
	l := small(t, dir, a)
	fill(t, l, 0, 3*epochSize)
	l = small(t, dir, b, a)
	fill(t, l, 3*epochSize, 3*epochSize)
	prune(t, l, PruneOptions{Keep: 4 * epochSize}) // what is left begins under the old key
	sound(t, l, 4*epochSize, 4, 2*epochSize)
	l = small(t, dir, c, b, a)
	fill(t, l, 6*epochSize, 10)
	sound(t, l, 4*epochSize+10, 4, 2*epochSize)
	if r, err := l.Recent(time.Time{}); err != nil || len(r) != 4*epochSize+10 {
		t.Errorf("%d, %v", len(r), err)
	}
	prune(t, l, PruneOptions{Keep: epochSize}) // and now under the middle one
	sound(t, l, epochSize+10, 1, 5*epochSize)
	if found, err := l.Grep("my-project/development/NAME_3"); err != nil || len(found) == 0 {
		t.Errorf("found %d, %v", len(found), err)
	}
}

// TestPruneInterrupted: at each step at which a prune can be killed the log is
// whole, and the next one who opens it finishes what can be finished.
func TestPruneInterrupted(t *testing.T) {
	l := ten(t)
	whole := t.TempDir()
	if err := os.CopyFS(filepath.Join(whole, "log"), os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	prune(t, l, PruneOptions{Keep: 1000})
	pruned := l.dir
	for step, have := range map[string]struct {
		base, files bool
		removed     uint64
	}{
		"the line is written":       {false, true, 0},
		"the base is stored":        {true, true, 6 * epochSize},
		"some of the files are out": {true, false, 6 * epochSize},
	} {
		dir := filepath.Join(t.TempDir(), "log")
		if err := os.CopyFS(dir, os.DirFS(pruned)); err != nil {
			t.Fatal(err)
		}
		for no := uint64(1); no <= 6; no++ {
			if b, err := os.ReadFile(filePath(filepath.Join(whole, "log"), no)); err != nil {
				t.Fatal(err)
			} else if have.files || no > 4 {
				write(t, filePath(dir, no), b)
			}
		}
		if !have.base {
			if err := os.Remove(filepath.Join(dir, baseFile)); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := Verify(dir, testKeys); err != nil || r.Bad != 0 || r.Removed != have.removed {
			t.Errorf("%s: %+v, %v", step, r, err)
		}
		l := small(t, dir)
		fill(t, l, 9000, 300)
		sound(t, l, int(10*epochSize+340-have.removed), int(11-have.removed/epochSize), have.removed)
		if _, err := os.Lstat(filePath(dir, 6)); (err == nil) != !have.base {
			t.Errorf("%s: file 6: %v", step, err)
		}
		if p := prune(t, l, PruneOptions{Keep: 1000}); p.Left >= 1000+epochSize {
			t.Errorf("%s: again: %+v", step, p)
		}
	}
}

// TestAttackPrune: who has no key and no password cannot shorten a log, be it one
// that was pruned: nothing that they make of its files passes.
func TestAttackPrune(t *testing.T) {
	l := ten(t)
	whole := filepath.Join(t.TempDir(), "whole")
	if err := os.CopyFS(whole, os.DirFS(l.dir)); err != nil {
		t.Fatal(err)
	}
	prune(t, l, PruneOptions{Keep: 7 * epochSize})
	early, err := os.ReadFile(filepath.Join(l.dir, baseFile))
	if err != nil {
		t.Fatal(err)
	}
	prune(t, l, PruneOptions{Keep: 4 * epochSize})
	fill(t, l, 5000, 700)
	pruned := l.dir
	alien := ten(t)
	prune(t, alien, PruneOptions{Keep: 4 * epochSize})
	base := func(dir string) string { return filepath.Join(dir, baseFile) }
	for what, attack := range map[string]struct {
		dir string
		do  func(dir string) error
	}{
		"the first file of a whole log is removed": {whole, func(dir string) error { return os.Remove(filePath(dir, 1)) }},
		"all old files are":                        {whole, func(dir string) error { os.Remove(filePath(dir, 1)); return os.Remove(filePath(dir, 2)) }},
		"a base of nobody's":                       {whole, func(dir string) error { return os.WriteFile(base(dir), []byte("{}\n"), 0o600) }},
		"an empty base":                            {whole, func(dir string) error { return os.WriteFile(base(dir), nil, 0o600) }},
		"the base is removed":                      {pruned, func(dir string) error { return os.Remove(base(dir)) }},
		"one file more than was pruned":            {pruned, func(dir string) error { return os.Remove(filePath(dir, 7)) }},
		"the base of an earlier prune":             {pruned, func(dir string) error { return os.WriteFile(base(dir), early, 0o600) }},
		"the base of another log":                  {pruned, func(dir string) error { return copyFile(base(alien.dir), base(dir)) }},
		"the base of another log in a whole one":   {whole, func(dir string) error { return copyFile(base(alien.dir), base(dir)) }},
		"the base of the same log, from later": {whole, func(dir string) error {
			for no := uint64(1); no < 7; no++ {
				os.Remove(filePath(dir, no))
			}
			return copyFile(base(pruned), base(dir))
		}},
	} {
		dir := filepath.Join(t.TempDir(), "log")
		if err := os.CopyFS(dir, os.DirFS(attack.dir)); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, dir); r.Bad != 0 {
			t.Fatalf("%s: before: %+v", what, r)
		}
		if err := attack.do(dir); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, dir); r.Bad == 0 || r.Problem == "" {
			t.Errorf("%s: %+v", what, r)
		}
	}
	good, err := os.ReadFile(base(pruned))
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1
		write(t, base(pruned), bad)
		if r := verified(t, pruned); r.Bad == 0 {
			t.Fatalf("byte %d of the base was changed, and nobody saw it: %+v", i, r)
		}
	}
	write(t, base(pruned), good)
	if r := verified(t, pruned); r.Bad != 0 {
		t.Errorf("after all: %+v", r)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

// TestAttackUndeclaredBase: who has the key that MACs, and nothing else, can make a
// base; the log does not say that there was a prune.
func TestAttackUndeclaredBase(t *testing.T) {
	l := ten(t)
	next, err := l.cut(nil, PruneOptions{Keep: 1000})
	if err != nil || next == nil {
		t.Fatal(next, err)
	}
	write(t, filepath.Join(l.dir, baseFile), next.line(l.keys[0]))
	for no := uint64(1); no < next.File; no++ {
		os.Remove(l.path(no))
	}
	if r := verified(t, l.dir); r.Bad != 6*epochSize || !strings.Contains(r.Problem, "no line of the log says so") {
		t.Errorf("%+v", r)
	}
}

// TestPruneOfABrokenLog: what does not verify is evidence, and stays.
func TestPruneOfABrokenLog(t *testing.T) {
	for what, no := range map[string]uint64{"in what would go": 2, "in what would stay": 9} {
		l := ten(t)
		b, err := os.ReadFile(l.path(no))
		if err != nil {
			t.Fatal(err)
		}
		write(t, l.path(no), bytes.Replace(b, []byte("claude"), []byte("clause"), 1))
		if _, err := l.Prune(PruneOptions{Keep: 1000}); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Lstat(l.path(1)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestPruneHammer: writers, readers and a prune at once, in two processes' places.
func TestPruneHammer(t *testing.T) {
	dir := t.TempDir()
	l, other := small(t, dir), small(t, dir)
	fill(t, l, 0, 6*epochSize)
	var all sync.WaitGroup
	for i, log := range []*Log{l, other} {
		all.Go(func() {
			for n := range 40 {
				if err := log.Append(access(10_000*i + n)); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 10 {
				if e, err := log.Show(0); err != nil || len(e) > 0 && e[len(e)-1].N < 6*epochSize {
					t.Errorf("Show ends early, at %d of %d: %v", len(e), 6*epochSize, err)
				}
			}
		})
	}
	all.Go(func() {
		for keep := uint64(5); keep > 0; keep-- {
			if _, err := other.Prune(PruneOptions{Keep: keep * epochSize}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if r, err := l.Verify(); err != nil || r.Bad != 0 || r.Records+r.Removed != 6*epochSize+80 || r.Removed != 5*epochSize {
		t.Errorf("%+v, %v", r, err)
	}
}

package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A PruneOptions says what may be removed of a log: what is older than Before, and
// not of the Keep newest records. It is removed by whole files, so some of it stays.
type PruneOptions struct {
	Before time.Time // zero: whatever its age
	Keep   uint64
	Dry    bool // only say what would be removed
}

// A Pruned is what was removed, and where what is left begins.
type Pruned struct {
	Records uint64    // removed now
	Left    uint64    // that stay
	Newest  time.Time // of those removed, now or before
	Last    string    // MAC of the last line removed, hex
	Note    string    // the checkpoint that covers all that was ever removed
}

// Prune removes the oldest files of the log. A line of the log says so first, and
// then a base takes their place: whatever interrupts it, the log verifies, with the
// files or without them. A log that does not verify is not pruned.
func (l *Log) Prune(o PruneOptions) (p Pruned, err error) {
	r, err := l.Verify()
	if err != nil {
		return p, err
	}
	if r.Bad != 0 || r.Problem != "" {
		return p, fmt.Errorf("prune audit log: record %d: %s: %w", r.Bad, r.Problem, ErrBroken)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return p, fmt.Errorf("prune audit log: %w", ErrClosed)
	}
	err = l.locked(func() error {
		if err := l.load(""); err != nil {
			return err
		}
		was, err := readBase(l.dir, l.keys)
		if err != nil {
			return err
		}
		next, err := l.cut(was, o)
		if err != nil {
			return err
		}
		p.Left = l.mark.n
		if was != nil {
			p.Left -= was.Records
		}
		if next == nil {
			return nil
		}
		p.Records, p.Left = p.Left-(l.mark.n-next.Records), l.mark.n-next.Records
		p.Newest, p.Last, p.Note = next.Newest, next.Last, next.Note
		if o.Dry {
			return nil
		}
		return l.rebase(was.first(), next)
	})
	if err != nil {
		return Pruned{}, writeError("prune", err)
	}
	return p, nil
}

// cut finds the newest end of a file up to which everything may go, nil when there
// is none. It goes through the files as Verify does: the state of the chain there
// is what the base will vouch for.
func (l *Log) cut(was *base, o PruneOptions) (*base, error) {
	s := &scan{keys: l.keys, end: l.mark}
	s.from(was)
	var found *base
	for no := was.first(); no < l.mark.file; no++ {
		newest, note, err := l.scanFile(s, no)
		if err != nil {
			return nil, err
		}
		if was != nil && was.Newest.After(newest) {
			newest = was.Newest
		}
		if l.mark.n-s.n < o.Keep || !o.Before.IsZero() && !newest.Before(o.Before) || s.n != s.epoch*epochSize {
			break
		}
		found = &base{
			Base: s.log[len("ov-audit/"):], Time: l.now().UTC().Truncate(time.Millisecond), By: l.keys[0].id, Key: s.cur.id, File: no + 1,
			Lines: s.lines, Records: s.n, Epoch: s.epoch, Newest: newest, Next: s.next, Note: note, mac: s.mac, edge: slices.Clone(s.tree),
		}
		found.pack()
	}
	return found, nil
}

// scanFile takes s to the end of a file, and returns the time of its newest record
// and its last checkpoint.
func (l *Log) scanFile(s *scan, no uint64) (newest time.Time, note string, err error) {
	f, err := openRead(l.path(no))
	if err != nil {
		return newest, "", err
	}
	defer f.Close()
	readLines(f, func(line []byte, e error) bool {
		if err = e; err == nil {
			err = s.line(line)
		}
		var when struct{ T time.Time }
		switch {
		case err != nil:
		case !special(line):
			if err = json.Unmarshal(line, &when); when.T.After(newest) {
				newest = when.T
			}
		default:
			var seal sealLine
			if json.Unmarshal(line, &seal) == nil && seal.Note != "" {
				note = seal.Note
			}
		}
		return err == nil
	})
	if err == nil {
		err = s.flush()
	}
	if errors.Is(err, errFound) {
		err = fmt.Errorf("record %d: %s: %w", s.report.Bad, s.report.Problem, ErrBroken)
	}
	return newest, note, err
}

// rebase records the prune, stores the base and removes the files, each durable
// before the next: in between the log is whole in one way or the other.
func (l *Log) rebase(first uint64, b *base) error {
	text := b.line(l.keys[0])
	line := marshal(pruneLine{Prune: b.digest, Time: b.Time, Records: b.Records, Newest: b.Newest, Last: b.Last, Note: b.Note})
	if err := l.extend([][]byte{line}, 0, false); err != nil {
		return err
	}
	temp := filepath.Join(l.dir, baseFile+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := openRegular(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, filepath.Join(l.dir, baseFile)); err != nil {
		return err
	}
	if err := syncFolder(l.dir); err != nil {
		return err
	}
	return l.sweep(first, b)
}

// sweep removes what lies before the base, from the file with number first on.
func (l *Log) sweep(first uint64, b *base) error {
	for no := first; no < b.first(); no++ {
		if err := os.Remove(l.path(no)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syncFolder(l.dir)
}

// swept finishes a prune that was interrupted before its files were gone.
func (l *Log) swept() error {
	b, err := readBase(l.dir, l.keys)
	if err != nil || b == nil {
		return nil // what is wrong with it is Verify's to say
	}
	no := b.File
	for ; no > 1; no-- {
		if _, err := os.Lstat(l.path(no - 1)); err != nil {
			break
		}
	}
	if no == b.File {
		return nil
	}
	return l.sweep(no, b)
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// maxFile is the size at which, when an epoch ends, the next file begins: some
// two thousand records, the piece by which Prune removes.
const maxFile = 1 << 20

// A Log is one process's hold on the log in a folder, which several processes
// may share: each append takes a file lock. It is safe for concurrent use.
type Log struct {
	dir     string
	now     func() time.Time
	maxFile uint64
	wait    time.Duration // for another process's append

	mu     sync.Mutex // over all below
	keys   []*keys    // the current ones first; nil when closed
	cur    *keys      // of the line written last
	mac    hash.Hash  // HMAC under cur.chain
	mark   *mark
	file   *os.File // the last one
	fileNo uint64

	queue queue
}

// Open opens the log in dir, making it if need be, and checks what was appended
// since the mark. masters are those of vault.AuditKeys: the current one first,
// then those of before a rotation. Open copies what it needs of them.
func Open(dir string, masters [][]byte) (*Log, error) {
	return open(dir, masters, "")
}

func open(dir string, masters [][]byte, after string) (*Log, error) {
	if len(masters) == 0 {
		return nil, fmt.Errorf("open audit log: no key: %w", ErrAudit)
	}
	l := &Log{dir: dir, now: time.Now, maxFile: maxFile, wait: lockWait}
	for _, m := range masters {
		l.keys = append(l.keys, newKeys(m))
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, writeError("open", err)
	}
	err := l.locked(func() error {
		if err := l.load(after); err != nil {
			return err
		}
		if l.cur != l.keys[0] {
			if err := l.rekey(); err != nil {
				return err
			}
		}
		return l.swept()
	})
	if err != nil {
		l.Close()
		return nil, writeError("open", err)
	}
	return l, nil
}

// Restart sets the files of a broken log aside, in a folder of their own beside
// it, and starts a new one whose first line says why.
func Restart(dir string, masters [][]byte, reason string) (*Log, error) {
	aside := filepath.Join(dir, "broken-"+time.Now().UTC().Format("20060102T150405.000"))
	names, err := filepath.Glob(filepath.Join(dir, "audit-*.jsonl"))
	if err != nil {
		return nil, writeError("restart", err)
	}
	if err := os.MkdirAll(aside, 0o700); err != nil {
		return nil, writeError("restart", err)
	}
	for _, name := range append(names, filepath.Join(dir, markFile), filepath.Join(dir, baseFile)) {
		if err := os.Rename(name, filepath.Join(aside, filepath.Base(name))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, writeError("restart", err)
		}
	}
	return open(dir, masters, clip(reason))
}

// writeError is an ErrAudit. That the log was altered is said without the words
// "cannot be written": more room would not help.
func writeError(verb string, err error) error {
	if errors.Is(err, ErrBroken) {
		return broken{fmt.Errorf("%s audit log: %w", verb, err)}
	}
	return fmt.Errorf("%s audit log: %w: %w", verb, ErrAudit, err)
}

// broken is an ErrAudit in other words.
type broken struct{ error }

func (b broken) Unwrap() error      { return b.error }
func (broken) Is(target error) bool { return target == ErrAudit }

// Close lets go of the files and zeroes the keys.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.keys {
		k.wipe()
	}
	if l.mark != nil {
		clear(l.mark.key)
		clear(l.mark.next)
	}
	l.keys, l.cur, l.mark = nil, nil, nil
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// locked runs f while no other process writes.
func (l *Log) locked(f func() error) error {
	unlock, err := lockDir(l.dir, l.wait)
	if err != nil {
		return err
	}
	return errors.Join(f(), unlock())
}

// load reads the mark and brings it up to the log's end. Without a mark there
// may be no log either: one is started.
func (l *Log) load(after string) error {
	b, err := readFile(filepath.Join(l.dir, markFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, k := range l.keys {
		if m := newestMark(b, k); m != nil {
			if l.mark != nil && m.gen < l.mark.gen {
				return fmt.Errorf("its mark is older than the one written last: %w", ErrBroken)
			}
			if l.mark == nil || l.mark.gen != m.gen {
				l.mark, l.cur, l.mac = m, k, hmac.New(sha256.New, k.chain)
			}
			if err := l.catchUp(); err != nil {
				return err
			}
			if l.mark.n == (l.mark.epoch+1)*epochSize {
				return l.extendAndSeal(nil) // who wrote the last record was killed before it could sign
			}
			return nil
		}
	}
	names, err := filepath.Glob(filepath.Join(l.dir, "audit-*.jsonl"))
	if err != nil {
		return err
	}
	if len(names) > 0 || len(b) > 0 {
		return fmt.Errorf("the mark of where it ends is missing or damaged: %w", ErrBroken)
	}
	return l.start(after)
}

// start writes the first line of a new log.
func (l *Log) start(after string) error {
	m := &mark{file: 1, key: newSigningKey(), next: newSigningKey()}
	rand.Read(m.id[:])
	l.mark, l.cur, l.mac = m, l.keys[0], hmac.New(sha256.New, l.keys[0].chain)
	line := start{
		Start: hex.EncodeToString(m.id[:]), Time: l.now().UTC().Truncate(time.Millisecond), Key: l.cur.id,
		Next: verifier(origin(m.id), m.key), After: after,
	}
	// The signing key must be on disk before it is announced.
	if err := l.writeMark(true); err != nil {
		return err
	}
	return l.extend([][]byte{marshal(line)}, 0, false)
}

// rekey ends the use of an old vault key's MAC key.
func (l *Log) rekey() error {
	line := marshal(rekey{Rekey: l.keys[0].id, Time: l.now().UTC().Truncate(time.Millisecond)})
	if err := l.extend([][]byte{line}, 0, false); err != nil {
		return err
	}
	l.cur, l.mac = l.keys[0], hmac.New(sha256.New, l.keys[0].chain)
	return l.writeMark(true)
}

// extend appends lines, makes them durable and moves the mark; n of them are
// records. seal says that the last line ended the epoch.
func (l *Log) extend(bodies [][]byte, n uint64, seal bool) error {
	m := l.mark.clone()
	var out []byte
	for _, body := range bodies {
		out, m.mac = appendLine(out, body, l.mac, m.mac)
		m.tree = m.tree.add(m.lines, m.mac)
		m.lines++
	}
	f, err := l.openFile(m.file)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(out, int64(m.size))
	if err == nil {
		err = syncData(f)
	}
	if err != nil {
		// Nothing of it counts: the next append begins where this one did.
		return errors.Join(err, f.Truncate(int64(m.size)))
	}
	m.size += uint64(len(out))
	m.n += n
	if seal {
		m.endEpoch(l.maxFile)
	}
	l.mark = m
	return l.writeMark(seal)
}

// endEpoch forgets the key of the epoch that was just signed.
func (m *mark) endEpoch(maxFile uint64) {
	clear(m.key)
	m.key, m.next = m.next, newSigningKey()
	m.epoch++
	if m.size >= maxFile {
		m.file, m.size = m.file+1, 0
	}
}

// writeMark writes the mark over the older place, or, where keys must be gone
// or safe, over both, synced.
func (l *Log) writeMark(both bool) error {
	f, err := openRegular(filepath.Join(l.dir, markFile))
	if err != nil {
		return err
	}
	defer f.Close()
	for range map[bool]int{false: 1, true: 2}[both] {
		l.mark.gen++
		b := l.mark.bytes(l.cur)
		b = append(b, make([]byte, markSize-len(b))...)
		if _, err := f.WriteAt(b, int64(l.mark.gen%2)*markSize); err != nil {
			return err
		}
	}
	if both {
		return syncData(f)
	}
	return nil
}

func (l *Log) path(no uint64) string { return filePath(l.dir, no) }

// filePath is where the file with a number, from 1, lies.
func filePath(dir string, no uint64) string {
	return filepath.Join(dir, fmt.Sprintf("audit-%06d.jsonl", no))
}

// openFile returns the log's file with a number, kept open.
func (l *Log) openFile(no uint64) (*os.File, error) {
	if l.file != nil && l.fileNo == no {
		return l.file, nil
	}
	f, err := openRegular(l.path(no))
	if err != nil {
		return nil, err
	}
	if l.file != nil {
		l.file.Close() // read only from now on
	}
	l.file, l.fileNo = f, no
	return f, nil
}

// catchUp checks and takes over what stands behind the mark: lines that another
// process, or one that was killed, wrote last. What such a one left of a line
// is cut off; nobody was told that it is there.
func (l *Log) catchUp() error {
	for {
		f, err := l.openFile(l.mark.file)
		if err != nil {
			return err
		}
		info, err := f.Stat()
		if err != nil {
			return err
		}
		size := uint64(info.Size())
		switch {
		case size < l.mark.size:
			return fmt.Errorf("file %d ends at byte %d, was at %d: %w", l.mark.file, size, l.mark.size, ErrBroken)
		case size > l.mark.size:
			if err := l.takeOver(f, size-l.mark.size); err != nil {
				return err
			}
		}
		if _, err := os.Stat(l.path(l.mark.file + 1)); err != nil {
			return nil
		}
		m := *l.mark
		m.file, m.size = m.file+1, 0
		l.mark = &m
	}
}

// takeOver reads n bytes behind the mark.
func (l *Log) takeOver(f *os.File, n uint64) error {
	tail := make([]byte, n)
	if _, err := f.ReadAt(tail, int64(l.mark.size)); err != nil {
		return err
	}
	m, changed := l.mark.clone(), false
	for len(tail) > 0 {
		line, rest, whole := bytes.Cut(tail, []byte("\n"))
		if !whole {
			if err := f.Truncate(int64(m.size)); err != nil {
				return err
			}
			break
		}
		body, mac, ok := splitLine(line)
		if !ok || chain(l.mac, m.mac, body) != mac {
			return fmt.Errorf("line %d: %w", m.lines+1, ErrBroken)
		}
		m.mac, m.tree = mac, m.tree.add(m.lines, mac)
		m.lines, m.size, changed = m.lines+1, m.size+uint64(len(line))+1, true
		if err := l.takeLine(m, line); err != nil {
			return err
		}
		tail = rest
	}
	l.mark = m
	if changed {
		return l.writeMark(true)
	}
	return nil
}

// takeLine does what a line that another process wrote means.
func (l *Log) takeLine(m *mark, line []byte) error {
	switch {
	case bytes.HasPrefix(line, []byte(sealPrefix)):
		m.endEpoch(l.maxFile)
	case bytes.HasPrefix(line, []byte(rekeyPrefix)):
		var r rekey
		if err := json.Unmarshal(line, &r); err != nil {
			return fmt.Errorf("line %d: %w", m.lines, ErrBroken)
		}
		for _, k := range l.keys {
			if k.id == r.Rekey {
				l.cur, l.mac = k, hmac.New(sha256.New, k.chain)
				return nil
			}
		}
		return fmt.Errorf("line %d: a key that is not ours: %w", m.lines, ErrBroken)
	case !special(line):
		m.n++
	}
	return nil
}

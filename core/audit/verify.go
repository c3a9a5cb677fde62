package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A scan is a verification under way.
type scan struct {
	keys   []*keys
	report Report

	batch  []byte          // records of one epoch, one after another
	ends   []int           // their ends in batch
	macs   [][macSize]byte // their MACs, once checked
	mac    [macSize]byte   // of the line before the batch
	cur    *keys
	lines  uint64
	n      uint64 // records so far
	epoch  uint64
	next   string // verifier of the current epoch
	log    string
	tree   tree
	end    *mark // where the log ended
	passed bool  // that end was met

	base     *base // where a pruned log begins
	declared bool  // a line of the log names it
}

// errFound ends a scan at the first bad line, which the report names.
var errFound = errors.New("found")

// Verify checks the log; see the function Verify.
func (l *Log) Verify() (Report, error) {
	l.mu.Lock()
	keys := l.keys
	l.mu.Unlock()
	if keys == nil {
		return Report{}, fmt.Errorf("verify audit log: %w", ErrClosed)
	}
	return verify(l.dir, keys)
}

// Verify checks every line of every file of the log in dir: its MAC over itself
// and the line before, the signatures of the epochs, the tree that they sign,
// and that the log does not end before its mark. It needs no Log, since one
// that was altered may not open. The error is for what cannot be read; what was
// altered is in the report. Lines that are appended meanwhile are not looked at.
func Verify(dir string, masters [][]byte) (Report, error) {
	var keys []*keys
	for _, m := range masters {
		k := newKeys(m)
		defer k.wipe()
		keys = append(keys, k)
	}
	return verify(dir, keys)
}

func verify(dir string, keys []*keys) (r Report, err error) {
	for range 3 { // a prune meanwhile takes files away that were just counted
		if r, err = verifyOnce(dir, keys); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return r, err
}

func verifyOnce(dir string, keys []*keys) (Report, error) {
	end, b, sizes, err := standing(dir, keys)
	if errors.Is(err, ErrBroken) { // the base
		return Report{Bad: 1, Problem: strings.TrimSuffix(err.Error(), ": "+ErrBroken.Error())}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("verify audit log: %w", err)
	}
	s := &scan{keys: keys, end: end}
	s.from(b)
	err = s.files(dir, b.first(), sizes)
	if errors.Is(err, errFound) {
		return s.report, nil
	}
	if err != nil {
		return s.report, fmt.Errorf("verify audit log: %w", err)
	}
	s.report.Records = s.n - s.report.Removed
	return s.report, nil
}

// from begins at the base of a pruned log; nil is the first line of all.
func (s *scan) from(b *base) {
	if b == nil {
		return
	}
	s.base, s.lines, s.n, s.epoch, s.mac, s.next, s.log, s.tree = b, b.Lines, b.Records, b.Epoch, b.mac, b.Next, "ov-audit/"+b.Base, slices.Clone(b.edge)
	s.report.Removed, s.report.Newest, s.report.Pruned = b.Records, b.Newest, b.Time
	s.use(b.Key) // an unknown one is found with the first line
}

// standing returns the newest mark, nil if there is none that is sound, and
// the base of a log that was pruned, and the sizes of the files, as they stand at
// one time.
func standing(dir string, keys []*keys) (end *mark, b *base, sizes []int64, err error) {
	unlock, err := lockDir(dir, lockWait)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	places, err := readFile(filepath.Join(dir, markFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, err
	}
	if b, err = readBase(dir, keys); err != nil {
		return nil, nil, nil, err
	}
	for _, k := range keys {
		if m := newestMark(places, k); m != nil {
			end = m
			break
		}
	}
	for no := b.first(); ; no++ {
		info, err := os.Lstat(filePath(dir, no))
		if errors.Is(err, fs.ErrNotExist) {
			return end, b, sizes, nil
		} else if err != nil {
			return nil, nil, nil, err
		}
		sizes = append(sizes, info.Size())
	}
}

// files scans the files and then holds their end against the mark.
func (s *scan) files(dir string, first uint64, sizes []int64) error {
	for i, size := range sizes {
		f, err := openRead(filePath(dir, first+uint64(i)))
		if err != nil {
			return err
		}
		readLines(io.LimitReader(f, size), func(line []byte, e error) bool {
			if err = e; err == nil {
				err = s.line(line)
			}
			return err == nil
		})
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if err := s.flush(); err != nil {
		return err
	}
	switch {
	case s.end == nil && s.lines == 0:
		return nil // no log yet
	case s.end == nil:
		return s.bad(s.n+1, "the mark of where the log ends is missing or damaged")
	case len(sizes) == 0 && s.end.lines > 0:
		return s.bad(s.n+1, "the files from record %d on are missing, and no prune of them is recorded", s.n+1)
	case s.lines < s.end.lines:
		return s.bad(s.n+1, "the log ends after record %d, it had %d", s.n, s.end.n)
	case !s.passed:
		return s.bad(s.n+1, "this log is not the one that was written here")
	case s.base != nil && !s.declared:
		return s.bad(s.base.Records, "records 1 to %d were removed, and no line of the log says so", s.base.Records)
	}
	return nil
}

// bad notes the first bad record.
func (s *scan) bad(n uint64, format string, args ...any) error {
	s.report.Bad, s.report.Problem = n, fmt.Sprintf(format, args...)
	s.report.Records = max(n, s.report.Removed+1) - 1 - s.report.Removed
	return errFound
}

// line takes the next line. Records are gathered and checked in batches, on all
// cores; before a line of another kind the batch is finished.
func (s *scan) line(line []byte) error {
	if special(line) {
		if err := s.flush(); err != nil {
			return err
		}
		body, mac, ok := splitLine(line)
		if !ok {
			return s.bad(s.n+1, "malformed line")
		}
		return s.special(line, body, mac)
	}
	if s.cur == nil {
		return s.bad(1, "the log does not begin with a start line")
	}
	if s.n == (s.epoch+1)*epochSize {
		if err := s.flush(); err != nil {
			return err
		}
		return s.bad(s.n+1, "the line that signs records %d to %d is missing", s.epoch*epochSize+1, s.n)
	}
	s.n++
	s.batch = append(s.batch, line...)
	s.ends = append(s.ends, len(s.batch))
	return nil
}

// advance takes a line whose MAC was found right.
func (s *scan) advance(mac [macSize]byte) {
	s.mac = mac
	s.tree = s.tree.add(s.lines, mac)
	s.lines++
	if s.end != nil && s.lines == s.end.lines {
		s.passed = mac == s.end.mac
	}
}

// flush checks the gathered records and names the first bad one.
func (s *scan) flush() error {
	n := len(s.ends)
	if n == 0 {
		return nil
	}
	if cap(s.macs) < n {
		s.macs = make([][macSize]byte, n, epochSize)
	}
	s.macs = s.macs[:n]
	workers := min(runtime.GOMAXPROCS(0), (n+63)/64)
	size := (n + workers - 1) / workers
	worst := make([]int, workers)
	var wg sync.WaitGroup
	for w := 1; w < workers; w++ {
		wg.Go(func() { worst[w] = s.check(w*size, min((w+1)*size, n)) })
	}
	worst[0] = s.check(0, min(size, n))
	wg.Wait()
	first := s.n - uint64(n) + 1 // number of the batch's first record
	for _, i := range worst {
		if i >= 0 {
			bad := first + uint64(i)
			return s.bad(bad, "record %d was altered, moved or removed, or the one before it was", bad)
		}
	}
	for _, mac := range s.macs {
		s.advance(mac)
	}
	s.batch, s.ends = s.batch[:0], s.ends[:0]
	return nil
}

// check returns the first of the batch's lines from..to that is malformed, or
// whose MAC or number is wrong, or -1. It leaves their MACs in macs.
func (s *scan) check(from, to int) int {
	h := hmac.New(sha256.New, s.cur.chain)
	prev := s.mac
	if from > 0 {
		_, prev, _ = splitLine(s.lineAt(from - 1)) // when malformed, it is found by who checks it
	}
	first := s.n - uint64(len(s.ends)) + 1
	number := []byte(`{"n":`)
	for i := from; i < to; i++ {
		line := s.lineAt(i)
		body, mac, ok := splitLine(line)
		number = append(strconv.AppendUint(number[:len(`{"n":`)], first+uint64(i), 10), ',')
		if !ok || !bytes.HasPrefix(line, number) || chain(h, prev, body) != mac {
			return i
		}
		s.macs[i], prev = mac, mac
	}
	return -1
}

func (s *scan) lineAt(i int) []byte {
	start := 0
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.batch[start:s.ends[i]]
}

// special checks a line that is no record.
func (s *scan) special(line, body []byte, mac [macSize]byte) error {
	if bytes.HasPrefix(line, []byte(startPrefix)) {
		return s.start(line, body, mac)
	}
	if s.cur == nil {
		return s.bad(1, "the log does not begin with a start line")
	}
	if chain(hmac.New(sha256.New, s.cur.chain), s.mac, body) != mac {
		return s.bad(s.n+1, "the line after record %d was altered, moved or inserted", s.n)
	}
	if bytes.HasPrefix(line, []byte(sealPrefix)) {
		return s.seal(line, mac)
	}
	if bytes.HasPrefix(line, []byte(prunePrefix)) {
		return s.prune(line, mac)
	}
	var r rekey
	if err := json.Unmarshal(line, &r); err != nil || !s.use(r.Rekey) {
		return s.bad(s.n+1, "after record %d the log goes on under an unknown key", s.n)
	}
	s.advance(mac)
	return nil
}

// prune takes the line that names the base of a pruned log.
func (s *scan) prune(line []byte, mac [macSize]byte) error {
	var p pruneLine
	if err := json.Unmarshal(line, &p); err != nil {
		return s.bad(s.n+1, "malformed line")
	}
	if s.base != nil && p.Prune == s.base.digest && p.Records == s.base.Records && p.Last == s.base.Last {
		s.declared = true
	}
	s.advance(mac)
	return nil
}

// use makes the key with id the current one.
func (s *scan) use(id string) bool {
	for _, k := range s.keys {
		if k.id == id {
			s.cur = k
			return true
		}
	}
	return false
}

// start checks the first line of the log.
func (s *scan) start(line, body []byte, mac [macSize]byte) error {
	var first start
	if err := json.Unmarshal(line, &first); err != nil || s.lines > 0 || !s.use(first.Key) {
		return s.bad(s.n+1, "a start line that does not belong here")
	}
	if chain(hmac.New(sha256.New, s.cur.chain), [macSize]byte{}, body) != mac {
		return s.bad(1, "the start line was altered")
	}
	s.next, s.log = first.Next, "ov-audit/"+first.Start
	s.advance(mac)
	return nil
}

// seal checks the line that ends an epoch: it must be signed with the key that
// the epoch before announced, over just these lines.
func (s *scan) seal(line []byte, mac [macSize]byte) error {
	from := s.epoch*epochSize + 1
	var l sealLine
	if err := json.Unmarshal(line, &l); err != nil || l.Seal != s.epoch || s.n != (s.epoch+1)*epochSize {
		return s.bad(s.n+1, "a signature line that does not belong after record %d", s.n)
	}
	c, err := openCheckpoint(l.Note, s.next)
	if err != nil || c.log != s.log || c.size != s.lines || c.root != s.tree.root() || c.mac != s.mac {
		return s.bad(from, "records %d to %d are not the ones that were signed", from, s.n)
	}
	s.next = c.next
	s.epoch++
	s.report.Epochs++
	s.advance(mac)
	return nil
}

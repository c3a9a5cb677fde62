package redact

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opaquevault/ov/core/match"
)

// Sizes in bytes.
const (
	bufferSize = 128 << 10 // ReadFrom reads this much at once
	blockSize  = 128 << 10 // a longer write is searched in blocks that fit the cache
	firstPiece = 2 << 10   // copied behind what is held back, so that the rest need not be
)

// ErrClosed is returned by a write to a closed Writer.
var ErrClosed = errors.New("write to a closed redactor")

// A Mask is a masked range of the stream. It never holds bytes.
type Mask struct {
	Name       string // of the needle that starts it
	Lane       Lanes
	Rule       string // of a scanner, when no needle starts it
	Start, End int64  // offsets in the stream
}

// A Count is how many ranges were masked for a needle in a lane, or for a rule.
type Count struct {
	Name string
	Lane Lanes
	Rule string
	N    int64
}

// A Writer masks what is written to it and passes the rest on. It is not safe
// for concurrent use.
type Writer struct {
	dst  io.Writer
	set  *Set
	hook func(Mask)
	err  error // of the sink, or ErrClosed: final

	buf   []byte // what the next block begins with
	base  int64  // offset of buf[0], or of the next byte
	first int64  // what comes before is decided
	seen  int64  // what comes before has been searched
	rest  []byte // as long as this comes next, nothing is decided: see expected
	prev  int    // the byte before first, or -1

	patterns *patterns // what the rest goes through, or nil

	view  view
	edge  edge // of the view that begins at first
	opens func(int) bool
	spans []span // known, not yet emitted

	rows     rows
	reader   rowReader // at first
	opensRow func(int) bool
	rowSpans []span // found in the last block
	found    []foundRow
	rowsWait bool // some of them are not yet emitted

	scratch match.Scratch

	out    int64 // what comes before has been passed on or masked
	mask   Mask  // the last masked range
	open   bool  // and whether what follows may still belong to it
	counts map[counter]int64
}

// counter is what ranges are counted by.
type counter struct {
	needle int32
	lane   Lanes
}

// NewWriter returns a Writer that masks the needles of s and writes to dst. The
// hook, which may be nil, is told of each masked range once its end is known.
func NewWriter(dst io.Writer, s *Set, hook func(Mask)) *Writer {
	w := newWriter(dst, s, hook)
	if s.rules != nil {
		w.patterns = newPatterns(dst, s.rules, hook)
		w.dst = w.patterns
	}
	return w
}

// newWriter returns a Writer without rules.
func newWriter(dst io.Writer, s *Set, hook func(Mask)) *Writer {
	w := &Writer{dst: dst, set: s, hook: hook, counts: map[counter]int64{}}
	w.opens, w.opensRow = w.view.opens, w.rows.opens
	w.begin()
	return w
}

// begin forgets the stream so far, but for its length.
func (w *Writer) begin() {
	w.prev, w.edge, w.reader, w.rest = -1, edge{joins: -1}, rowReader{}, nil
	w.found = w.found[:0]
	w.base, w.first, w.seen = w.out, w.out, w.out
}

// Write masks p and passes on what is decided. An error of the sink is returned,
// then and from each later call: what was not written is lost, and the caller
// should stop whoever writes.
func (w *Writer) Write(p []byte) (int, error) {
	if w.expected(p) {
		w.buf = append(w.buf, p...)
		return len(p), w.err
	}
	size := firstPiece
	for rest := p; len(rest) > 0 && w.err == nil; {
		n := min(len(rest), blockSize)
		if len(w.buf) == 0 {
			w.step(rest[:n:n], false)
			rest = rest[n:]
			continue
		}
		// Copy a little behind what is held. Once all that is held is of p, the rest
		// is searched where it is.
		n = min(n, size)
		size = min(4*size, blockSize)
		w.buf = append(w.buf, rest[:n]...)
		w.step(w.buf, false)
		if held := len(w.buf); held < n && n < len(rest) {
			w.buf = w.buf[:0]
			n -= held
		}
		rest = rest[n:]
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// ReadFrom masks what r holds, up to its end. It reads straight behind what is
// held back. It does not end the stream.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for w.err == nil {
		held := len(w.buf)
		w.buf = slices.Grow(w.buf, bufferSize)
		n, err := r.Read(w.buf[held : held+bufferSize])
		if n < 0 || n > bufferSize {
			return total, fmt.Errorf("read %T: impossible count %d", r, n)
		}
		total += int64(n)
		w.buf = w.buf[:held+n]
		if n > 0 && !w.expected(w.buf[held:]) {
			w.step(w.buf, false)
		}
		if err == io.EOF {
			err = nil
		} else if err == nil {
			continue
		}
		return total, cmp.Or(w.err, err)
	}
	return total, w.err
}

// Flush ends the stream: what is held back is decided as if nothing followed,
// and another stream may begin. It is not for timers: a secret that is cut by a
// Flush is not found.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	w.step(w.buf, true)
	w.shut()
	w.begin()
	if w.patterns != nil && w.err == nil {
		w.err = w.patterns.flush()
	}
	return w.err
}

// Close flushes and refuses further writes. It does not close the sink.
func (w *Writer) Close() error {
	if w.err == ErrClosed {
		return nil
	}
	err := w.Flush()
	if w.err == nil {
		w.err = ErrClosed
	}
	clear(w.buf[:cap(w.buf)])
	clear(w.view.text[:cap(w.view.text)])
	clear(w.rows.text[:cap(w.rows.text)])
	if w.patterns != nil {
		w.patterns.close()
	}
	return err
}

// Add makes more needles known to the stream, from the bytes held back now on.
func (w *Writer) Add(more ...Needle) error {
	s, err := w.set.With(more...)
	if err != nil {
		return err
	}
	if w.set.view.empty() {
		w.edge, w.reader = edge{joins: w.prev}, rowReader{mode: rowNone} // they were not kept
		if w.prev < 0 || w.prev == '\n' {
			w.reader = rowReader{}
		}
	}
	w.set = s
	w.seen, w.rest = w.first, nil // what is held back has not been searched for them
	return nil
}

// Held returns how many bytes are held back. Those of a masked range that may
// yet go on are not: they are gone.
func (w *Writer) Held() int {
	n := w.waiting()
	if w.patterns != nil {
		n += len(w.patterns.held())
	}
	return n
}

// waiting returns how many bytes the needles hold back.
func (w *Writer) waiting() int {
	out := w.out
	if w.open {
		out = max(out, w.mask.End)
	}
	return int(w.base-out) + len(w.buf)
}

// Echo passes on bytes that are held back if they are the end of what a person
// has just typed: they are on the screen already, and without them typing seems
// to hang. They can still turn out to begin a secret, and then what follows of it
// is masked.
func (w *Writer) Echo(typed []byte) error {
	w.settle()
	n := w.Held()
	if n == 0 || n > len(typed) || len(w.spans) > 0 || w.rowsWait || w.err != nil {
		return w.err
	}
	held := w.tail()
	if w.patterns != nil {
		held = append(w.patterns.held(), held...)
	}
	if string(held) != string(typed[len(typed)-n:]) {
		return w.err
	}
	w.release()
	if w.patterns != nil && w.err == nil {
		w.err = w.patterns.release()
	}
	return w.err
}

// tail returns the bytes that the needles hold back.
func (w *Writer) tail() []byte { return w.buf[len(w.buf)-w.waiting():] }

// release passes them on, decided or not.
func (w *Writer) release() {
	w.settle()
	w.pass(w.buf, w.seen)
}

// settle searches what was taken as expected.
func (w *Writer) settle() {
	if w.err == nil && w.seen < w.base+int64(len(w.buf)) {
		w.step(w.buf, false)
	}
}

// Counts returns how many ranges were masked so far, in the order of their names.
func (w *Writer) Counts() []Count {
	all := make([]Count, 0, len(w.counts))
	for c, n := range w.counts {
		all = append(all, Count{Name: w.set.needles[c.needle].Name, Lane: c.lane, N: n})
	}
	if w.patterns != nil {
		for id, n := range w.patterns.counts {
			all = append(all, Count{Rule: id, N: n})
		}
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Lane, b.Lane), cmp.Compare(a.Rule, b.Rule))
	})
	return all
}

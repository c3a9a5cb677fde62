package redact

import (
	"cmp"
	"errors"
	"io"
	"slices"

	"github.com/opaquevault/ov/core/match"
)

const bufferSize = 128 << 10

// ErrClosed is returned by a write to a closed Writer.
var ErrClosed = errors.New("redact: writer is closed")

// A Mask is a masked range of the stream. It never holds bytes.
type Mask struct {
	Name       string // of the needle that starts it
	Lane       Lanes
	Rule       string // of a scanner, when no needle starts it
	Start, End int64  // offsets in the stream
}

// Count is how many ranges were masked for a needle in a lane.
type Count struct {
	Name string
	Lane Lanes
	Rule string
	N    int64
}

// span is a range to mask, in offsets of the stream.
type span struct {
	start, end int64
	who        form
}

// A Writer masks what is written to it and passes it on.
type Writer struct {
	dst     io.Writer
	set     *Set
	hook    func(Mask)
	buf     []byte // carry: the bytes from base on that are not decided yet
	base    int64  // offset of buf[0]
	prev    int    // the byte before buf[0]
	spans   []span // occurrences that are not emitted yet
	hits    []match.Hit
	out     int64 // everything before is passed on or masked
	mask    Mask  // the last masked range, open while something can extend it
	open    bool
	counts  map[form]int64
	err     error
	markers [][]byte
}

// NewWriter returns a Writer that masks the needles of s and writes to dst. The
// hook, which may be nil, is told of each masked range when its end is known.
func NewWriter(dst io.Writer, s *Set, hook func(Mask)) *Writer {
	w := &Writer{dst: dst, set: s, hook: hook, prev: -1, counts: map[form]int64{}}
	w.name()
	return w
}

func (w *Writer) name() {
	for _, n := range w.set.needles[len(w.markers):] {
		w.markers = append(w.markers, []byte("[REDACTED:"+n.Name+"]"))
	}
}

// Write masks p and passes on what is decided. A failure of the sink is
// returned, then and at each later call.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	from := len(w.buf)
	w.buf = append(w.buf, p...)
	if w.step(from, false); w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// ReadFrom masks what r holds until its end. It does not end the stream.
func (w *Writer) ReadFrom(r io.Reader) (int64, error) {
	var total int64
	for w.err == nil {
		from := len(w.buf)
		w.buf = slices.Grow(w.buf, bufferSize)
		n, err := r.Read(w.buf[from : from+bufferSize])
		w.buf = w.buf[:from+n]
		total += int64(n)
		if w.step(from, false); w.err != nil {
			break
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, w.err
}

// Flush ends the stream: what is held back is decided as if nothing followed,
// and a new stream may begin. It is not for timers: a secret that is cut by a
// Flush is two streams.
func (w *Writer) Flush() error {
	if w.err != nil {
		return w.err
	}
	w.step(len(w.buf), true)
	w.prev = -1
	return w.err
}

// Close flushes and refuses further writes. It does not close the sink.
func (w *Writer) Close() error {
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	err := w.Flush()
	if w.err == nil {
		w.err = ErrClosed
	}
	return err
}

// Add makes the needles known from the bytes held back now on.
func (w *Writer) Add(more ...Needle) error {
	s, err := w.set.With(more...)
	if err != nil {
		return err
	}
	w.set = s
	w.name()
	return nil
}

// Counts returns how many ranges were masked so far, by name and lane.
func (w *Writer) Counts() []Count {
	var all []Count
	for f, n := range w.counts {
		all = append(all, Count{Name: w.set.needles[f.needle].Name, Lane: f.lane, N: n})
	}
	slices.SortFunc(all, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Lane, b.Lane))
	})
	return all
}

// step finds what the bytes from buf[from] on make known, emits what is
// decided and keeps the rest.
func (w *Writer) step(from int, final bool) {
	b := match.Block{Bytes: w.buf, From: from, Prev: w.prev, Final: final}
	w.hits = w.set.exact.Find(w.hits[:0], b)
	for _, h := range w.hits {
		w.spans = append(w.spans, span{w.base + int64(h.Start), w.base + int64(h.End), w.set.owner[h.Needle]})
	}
	hold := w.set.exact.Hold(b)
	w.emit(w.base + int64(hold))
	if final {
		w.shut()
	}
	if hold > 0 {
		w.prev = int(w.buf[hold-1])
	}
	w.base += int64(hold)
	w.buf = w.buf[:copy(w.buf, w.buf[hold:])]
}

// emit passes on or masks everything before the offset to.
func (w *Writer) emit(to int64) {
	slices.SortFunc(w.spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.who.needle, b.who.needle), cmp.Compare(a.who.lane, b.who.lane))
	})
	n := 0
	for _, s := range w.spans {
		if s.start >= to {
			break
		}
		n++
		if w.open && s.start <= w.mask.End {
			w.mask.End = max(w.mask.End, s.end)
			continue
		}
		w.pass(s.start)
		w.shut()
		w.put(w.markers[s.who.needle])
		w.counts[s.who]++
		w.mask = Mask{Name: w.set.needles[s.who.needle].Name, Lane: s.who.lane, Start: s.start, End: s.end}
		w.open = true
	}
	w.spans = w.spans[:copy(w.spans, w.spans[n:])]
	w.pass(to)
	if w.open && w.mask.End < to {
		w.shut()
	}
}

// pass writes the unmasked bytes before the offset to.
func (w *Writer) pass(to int64) {
	if w.open {
		w.out = max(w.out, min(to, w.mask.End))
	}
	if w.out < to {
		w.put(w.buf[w.out-w.base : to-w.base])
		w.out = to
	}
}

// shut tells the hook of the last masked range.
func (w *Writer) shut() {
	if w.open && w.hook != nil {
		w.hook(w.mask)
	}
	w.open = false
}

func (w *Writer) put(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	n, err := w.dst.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
}

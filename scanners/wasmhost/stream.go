package wasmhost

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// ErrQuarantined is what a stream gets whose scanner failed too often: nothing
// more passes.
var ErrQuarantined = errors.New("scanner is quarantined")

// A Writer runs a module in stream mode over what is written to it and passes it
// on with the findings masked. Each call of the guest gets what is undecided and
// what is new, 64 KiB at most; undecided are the last max_window-1 bytes, so
// that a finding is seen whole however the stream was cut.
type Writer struct {
	dst    io.Writer
	s      *Scanner
	buf    []byte // undecided, then new
	out    int    // of buf: before it all is passed on or masked, after a step 0
	masked int    // of buf: end of the last finding, whose marker is out; -1 if before buf
	until  []byte // of the open finding, nil if none
	room   int    // bytes that the open finding may still take
	begun  bool
	found  map[string]int64 // markers, by rule
	err    error
}

// Found returns how many ranges were masked, by rule. It is complete after Close.
func (w *Writer) Found() map[string]int64 { return w.found }

// NewWriter returns a Writer before dst for a module in stream mode. Known
// values must have been masked before: dst of a redact.Writer is its place.
func NewWriter(dst io.Writer, s *Scanner) (*Writer, error) {
	if s.manifest.Mode != manifest.Stream {
		return nil, fmt.Errorf("module %q is of %s mode", s.manifest.Name, s.manifest.Mode)
	}
	return &Writer{dst: dst, s: s, buf: make([]byte, 0, scan.MaxWindow), masked: -1, found: map[string]int64{}}, nil
}

// Write passes on what is decided. A failure is returned, then and at each
// later call.
func (w *Writer) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) && w.err == nil {
		k := min(len(p)-n, cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[n:n+k]...)
		w.step(false)
		n += k
	}
	if w.err != nil {
		return 0, w.err
	}
	return n, nil
}

// Close decides the rest. It does not close dst.
func (w *Writer) Close() error {
	if w.err == nil {
		w.step(true)
	}
	clear(w.buf[:cap(w.buf)])
	err := w.err
	if w.err == nil {
		w.err = errors.New("write to a closed scanner")
	}
	return err
}

func (w *Writer) step(final bool) {
	decided := len(w.buf)
	if !final {
		decided = max(0, len(w.buf)-w.s.manifest.MaxWindow+1)
	}
	spans, failed := w.ask(final)
	if w.err != nil {
		return
	}
	if failed { // nothing of it is shown again: it would fail again
		decided = len(w.buf)
	}
	w.swallow(final)
	for _, sp := range spans {
		if sp.Start >= decided && !final && !failed {
			continue // it will be seen again, with what comes after it
		}
		w.pass(sp.Start)
		if sp.Start > w.masked {
			id := w.s.rules[sp.Rule].ID
			w.write([]byte("[REDACTED:" + id + "]"))
			w.found[id]++
		}
		w.masked = max(w.masked, sp.End)
		if sp.Open && w.until == nil {
			w.until, w.room = []byte(w.s.manifest.Rules[sp.Rule].Until), scan.MaxWindow
			w.swallow(final)
		}
	}
	w.pass(decided)
	n := copy(w.buf, w.buf[decided:])
	w.buf = w.buf[:n]
	w.out, w.masked = 0, max(-1, w.masked-decided)
}

// ask runs the guest. Its failure masks all that is undecided.
func (w *Writer) ask(final bool) (spans []scan.Span, failed bool) {
	if w.s.health.quarantined() {
		if !w.s.options.FailOpen {
			w.err = fmt.Errorf("module %q: %w", w.s.manifest.Name, ErrQuarantined)
		}
		return nil, false
	}
	flags := uint32(0)
	if !w.begun {
		flags |= FlagBegin
	}
	if final {
		flags |= FlagEnd
	}
	w.begun = true
	spans, err := w.s.ask(w.buf, flags)
	if err == nil {
		sortSpans(spans)
		return spans, false
	}
	w.s.fail(err)
	if w.s.health.quarantined() {
		return w.ask(final)
	}
	return w.s.mask(0, len(w.buf)), true
}

// swallow carries the open finding on to its end, which is not masked, or over
// all that cannot hold its beginning.
func (w *Writer) swallow(final bool) {
	if w.until == nil {
		return
	}
	b := w.buf[min(max(w.masked, 0), len(w.buf)):]
	n := len(b)
	if i := bytes.Index(b, w.until); i >= 0 {
		n, w.until = i, nil
	} else if !final {
		n = max(0, n-len(w.until)+1)
	}
	if n >= w.room {
		n, w.until = w.room, nil
	}
	w.room -= n
	w.masked += n
}

// pass writes on to a place in buf, but for what is masked.
func (w *Writer) pass(to int) {
	from := max(w.out, min(w.masked, to))
	if from < to {
		w.write(w.buf[from:to])
	}
	w.out = max(w.out, to)
}

func (w *Writer) write(b []byte) {
	if w.err == nil {
		_, w.err = w.dst.Write(b)
	}
}

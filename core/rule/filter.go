package rule

import (
	"errors"
	"io"
)

// block is how much of a long write is scanned at once: it stays in the cache.
const block = 64 << 10

// A Filter writes what it is given with the findings of a set replaced by
// markers. Close decides what is still held.
type Filter struct {
	dst    io.Writer
	stream *Stream
	found  func(Finding)
	buf    []byte // context, held bytes, and room for a block
	fresh  int    // bytes of buf before this were written
	out    []byte // of one block with findings
	err    error
	closed bool
}

// NewFilter returns a filter before dst. found, if not nil, is called for each
// finding when all before its end has been written and nothing after it.
func NewFilter(dst io.Writer, set *Set, found func(Finding)) *Filter {
	return &Filter{dst: dst, stream: set.NewStream(), found: found}
}

// Marker is what stands in place of a finding.
func Marker(id string) string { return "[REDACTED:" + id + "]" }

// Write masks p, but for what it must hold. An error of dst stays.
func (f *Filter) Write(p []byte) (int, error) {
	if f.closed {
		return 0, errors.New("write to a closed filter")
	}
	n := 0
	for n < len(p) && f.err == nil {
		k := min(len(p)-n, block)
		f.buf = append(f.buf, p[n:n+k]...)
		f.step(false)
		n += k
	}
	if f.err != nil {
		return 0, f.err
	}
	return n, nil
}

// Held returns how many bytes wait for more input.
func (f *Filter) Held() int { return len(f.buf) - f.fresh }

// Close writes what is held. It does not close dst.
func (f *Filter) Close() error {
	if !f.closed && f.err == nil {
		f.step(true)
	}
	f.closed = true
	clear(f.buf[:cap(f.buf)])
	return f.err
}

func (f *Filter) step(final bool) {
	r := f.stream.Scan(f.buf, final)
	if len(r.Ranges) == 0 && len(r.Findings) == 0 {
		f.write(f.buf[f.fresh:r.Pass])
	} else {
		f.replace(r)
	}
	n := copy(f.buf, f.buf[r.Keep:])
	f.buf = f.buf[:n]
	f.fresh = r.Pass - r.Keep
}

// replace writes up to r.Pass with markers for the ranges.
func (f *Filter) replace(r Result) {
	start := f.stream.base - int64(r.Keep) // of buf in the stream
	at := f.fresh
	f.out = f.out[:0]
	to := func(end int) {
		for len(r.Ranges) > 0 && r.Ranges[0].Start < end {
			g := &r.Ranges[0]
			if at <= g.Start {
				f.out = append(f.out, f.buf[at:g.Start]...)
				if g.First {
					f.out = append(f.out, Marker(f.stream.set.rules[g.Rule].ID)...)
				}
			}
			at = min(g.End, end)
			if g.End > end {
				return
			}
			r.Ranges = r.Ranges[1:]
		}
		f.out = append(f.out, f.buf[at:end]...)
		at = end
	}
	for _, d := range r.Findings {
		if f.found == nil {
			break
		}
		to(int(d.End - start))
		f.write(f.out)
		f.out = f.out[:0]
		f.found(d)
	}
	to(r.Pass)
	f.write(f.out)
}

func (f *Filter) write(b []byte) {
	if len(b) > 0 && f.err == nil {
		_, f.err = f.dst.Write(b)
	}
}

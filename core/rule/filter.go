package rule

import (
	"errors"
	"io"
)

// Sizes in bytes.
const (
	block      = 128 << 10 // a longer write is scanned in blocks that fit the cache
	firstPiece = 4 << 10   // copied behind what is kept, so that the rest need not be
)

var errClosed = errors.New("write to a closed filter")

// A Filter writes what it is given with the findings of a set replaced by
// markers. It is not safe for concurrent use.
type Filter struct {
	dst    io.Writer
	set    *Set
	stream *Stream
	found  func(Finding)
	buf    []byte // context and held bytes: what the next block begins with
	fresh  int    // bytes of buf before this were written
	out    []byte // of one block with findings
	at     int    // bytes of the block before this were written
	err    error
}

// NewFilter returns a filter before dst. found, if not nil, is called for each
// finding when all before its end has been written and nothing after it.
func NewFilter(dst io.Writer, set *Set, found func(Finding)) *Filter {
	return &Filter{dst: dst, set: set, stream: set.NewStream(), found: found}
}

// Marker is what stands in place of a finding.
func Marker(id string) string { return "[REDACTED:" + id + "]" }

// Write masks p, but for what it must hold. An error of dst stays.
func (f *Filter) Write(p []byte) (int, error) {
	size := firstPiece
	for rest := p; len(rest) > 0 && f.err == nil; {
		if len(f.buf) == 0 {
			n := min(len(rest), block)
			keep := f.step(rest[:n:n], false)
			if keep > 0 && n < len(rest) { // go on where it wants to see the bytes again
				rest = rest[keep:]
				continue
			}
			f.buf = append(f.buf, rest[keep:n]...)
			rest = rest[n:]
			continue
		}
		// Copy a little behind what is kept: when that is decided, the rest can be
		// scanned where it is.
		n := min(len(rest), size)
		size *= 2
		f.buf = append(f.buf, rest[:n]...)
		keep := f.step(f.buf, false)
		if back := len(f.buf) - keep; back <= n && n < len(rest) {
			rest, f.buf = rest[n-back:], f.buf[:0]
			continue
		}
		f.buf = f.buf[:copy(f.buf, f.buf[keep:])]
		rest = rest[n:]
	}
	if f.err != nil {
		return 0, f.err
	}
	return len(p), nil
}

// Held returns how many bytes wait for more input.
func (f *Filter) Held() int { return len(f.buf) - f.fresh }

// Tail returns the bytes that wait for more input, valid until the next call.
func (f *Filter) Tail() []byte { return f.buf[f.fresh:] }

// Release writes the bytes that wait although they are not decided. They can
// still turn out to belong to a finding, and then what follows of it is masked.
func (f *Filter) Release() error {
	f.write(f.buf[f.fresh:])
	f.fresh = len(f.buf)
	f.stream.Release()
	return f.err
}

// Flush ends the stream: what is held is decided as if nothing followed, and
// another stream may begin.
func (f *Filter) Flush() error {
	if f.err == nil {
		f.step(f.buf, true)
	}
	clear(f.buf[:cap(f.buf)])
	clear(f.out[:cap(f.out)])
	f.buf, f.fresh, f.stream = f.buf[:0], 0, f.set.NewStream()
	return f.err
}

// Close flushes and refuses further writes. It does not close dst.
func (f *Filter) Close() error {
	if f.err == errClosed {
		return nil
	}
	err := f.Flush()
	if f.err == nil {
		f.err = errClosed
	}
	return err
}

// step scans b, whose first fresh bytes were written before, writes what is
// decided and returns from where on b is wanted again.
func (f *Filter) step(b []byte, final bool) int {
	r := f.stream.Scan(b, final)
	if len(r.Ranges) == 0 && len(r.Findings) == 0 {
		f.write(b[f.fresh:r.Pass])
	} else {
		f.replace(b, r)
	}
	f.fresh = r.Pass - r.Keep
	return r.Keep
}

// replace writes b up to r.Pass with markers for the ranges, and tells of each
// finding where it ends.
func (f *Filter) replace(b []byte, r Result) {
	start := f.stream.base - int64(r.Keep) // of b in the stream
	f.at = f.fresh
	if f.found != nil {
		for _, d := range r.Findings {
			r.Ranges = f.upTo(b, int(d.End-start), r.Ranges)
			f.write(f.out)
			f.out = f.out[:0]
			f.found(d)
		}
	}
	f.upTo(b, r.Pass, r.Ranges)
	f.write(f.out)
	f.out = f.out[:0]
}

// upTo appends b up to end to out, with markers, and returns the ranges that go
// on or come later.
func (f *Filter) upTo(b []byte, end int, ranges []Range) []Range {
	for len(ranges) > 0 && ranges[0].Start < end {
		g := ranges[0]
		if f.at <= g.Start {
			f.out = append(f.out, b[f.at:g.Start]...)
			if g.First {
				f.out = append(f.out, f.set.rules[g.Rule].marker...)
			}
		}
		f.at = min(g.End, end)
		if g.End > end {
			return ranges
		}
		ranges = ranges[1:]
	}
	f.out = append(f.out, b[f.at:end]...)
	f.at = end
	return ranges
}

func (f *Filter) write(b []byte) {
	if len(b) == 0 || f.err != nil {
		return
	}
	n, err := f.dst.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	f.err = err
}

package match

import (
	"bytes"
	"fmt"
	"math/bits"
)

// A Text is a byte string of which long enough pieces are looked for. A window
// is a piece Bytes[i:i+Window] for which At[i] holds.
type Text struct {
	Bytes  []byte
	Window int    // at least MinWindow
	At     []bool // where windows start
}

// Limits of a window, in bytes.
const (
	MinWindow = 8
	MaxWindow = 4096
)

// Runs finds the windows of a set of texts in a stream: the same sieve as for
// needles, with every gram of every window in it; a gram that passes is a seed
// and grows along the text on both sides. It is immutable. Nil Runs have no texts.
type Runs struct {
	sieve
	text   []byte
	starts []bool   // by position in text: a window starts
	texts  []extent // where each given text lies
	seeds  []seed   // by bucket
	heads  []uint32 // bucket h is seeds[heads[h]:heads[h+1]]
	hshift uint
	under  beginnings
}

type extent struct{ start, end, window int }

// A seed is a gram's place.
type seed struct{ at, text uint32 }

// CompileRuns prepares texts for the search. Of equal windows the one of the
// first text is reported. Texts are not kept.
func CompileRuns(texts []Text) (*Runs, error) { return compileRuns(texts, nil) }

// compileRuns is CompileRuns for a pass, which is nil if there is none to share.
func compileRuns(texts []Text, p *pass) (*Runs, error) {
	r := &Runs{}
	total, shortest := 0, 1<<30
	for i, t := range texts {
		if t.Window < MinWindow || t.Window > MaxWindow || len(t.At) > max(0, len(t.Bytes)-t.Window+1) {
			return nil, fmt.Errorf("compile text %d of %d bytes, %d windows of %d: %w", i, len(t.Bytes), len(t.At), t.Window, ErrNeedle)
		}
		total += len(t.Bytes)
		shortest = min(shortest, t.Window)
	}
	if total > MaxBytes {
		return nil, fmt.Errorf("compile %d texts of %d bytes: %w: want at most %d bytes", len(texts), total, ErrSize, MaxBytes)
	}
	if len(texts) == 0 {
		return r, nil
	}
	r.lay(texts, total)
	r.sow(shortest, p)
	r.under = newBeginnings(r)
	return r, nil
}

// lay puts the texts into one slice and drops windows that an earlier text has.
func (r *Runs) lay(texts []Text, total int) {
	r.text = make([]byte, 0, total)
	r.starts = make([]bool, total)
	r.texts = make([]extent, len(texts))
	n := 0
	for _, t := range texts {
		n += count(t.At)
	}
	seen := newWindows(n)
	for i, t := range texts {
		at := len(r.text)
		r.text = append(r.text, t.Bytes...)
		r.texts[i] = extent{at, len(r.text), t.Window}
		for k, is := range t.At {
			r.starts[at+k] = is && seen.add(r.text, at+k, t.Window)
		}
	}
}

func count(is []bool) (n int) {
	for _, b := range is {
		if b {
			n++
		}
	}
	return n
}

// sow enters the grams of all windows: counts them by bucket, then places them.
func (r *Runs) sow(shortest int, p *pass) {
	covered := make([]bool, len(r.text)) // a gram of a window starts here
	gram := gramFor(len(r.text), shortest)
	n := 0
	for _, x := range r.texts {
		until := 0
		for k := x.start; k+gram <= x.end; k++ {
			if r.starts[k] {
				until = k + x.window - gram + 1
			}
			if k < until {
				covered[k] = true
				n++
			}
		}
	}
	if p != nil {
		r.sieve = sieveOf(p.gram, p.stride, p.shift)
	} else {
		r.sieve = newSieve(gram, shortest-gram+1, n)
	}
	size := max(bits.Len(uint(n)), 4)
	r.hshift = uint(64 - size)
	r.heads = make([]uint32, 1<<size+1)
	for k, is := range covered {
		if is {
			h := r.hash(r.text, k)
			r.set(h)
			r.heads[h>>r.hshift]++
		}
	}
	sum := uint32(0)
	for i := range r.heads {
		sum += r.heads[i]
		r.heads[i] = sum
	}
	r.seeds = make([]seed, n)
	for t := len(r.texts) - 1; t >= 0; t-- {
		for k := r.texts[t].end - 1; k >= r.texts[t].start; k-- {
			if covered[k] {
				b := r.hash(r.text, k) >> r.hshift
				r.heads[b]--
				r.seeds[r.heads[b]] = seed{uint32(k), uint32(t)}
			}
		}
	}
}

// gramFor returns the length of a gram for texts of so many bytes with windows of
// so many at least.
func gramFor(total, shortest int) int {
	switch {
	case total > 1<<14:
		return min(6, shortest-4)
	case total > 1<<12:
		return min(5, shortest-4)
	}
	return 4
}

// empty reports whether there is nothing to find.
func (r *Runs) empty() bool { return r == nil || len(r.seeds) == 0 }

// Find returns the runs of windows in the block: ranges of which each byte lies
// in a window of one text. Those that have no byte from b.From on may be left
// out; the same range may be reported twice. They are valid until the next use
// of c.
func (r *Runs) Find(c *Scratch, b Block) []Hit {
	c.begin(b)
	r.find(c)
	return c.runs
}

func (r *Runs) find(c *Scratch) {
	if r.empty() || len(c.b.Bytes) < r.stride+r.gram-1 {
		return
	}
	for i := 0; i+r.gram <= len(c.b.Bytes); {
		i = r.scan(c, i)
		for _, x := range c.found[:c.n] {
			r.sprout(c, x.i, x.h)
		}
	}
}

// sprout grows the seeds of the gram with hash h that was found at i.
func (r *Runs) sprout(c *Scratch, i int, h uint64) {
	bucket := h >> r.hshift
	for _, s := range r.seeds[r.heads[bucket]:r.heads[bucket+1]] {
		if c.grown(int(s.at)-i, i) || !bytes.Equal(r.text[s.at:int(s.at)+r.gram], c.b.Bytes[i:i+r.gram]) {
			continue
		}
		r.grow(c, i, s)
	}
}

// A line is a diagonal, text position minus stream position, and how far the
// stream is known to agree with the text on it.
type line struct{ diagonal, end int }

// grown reports whether i lies in a stretch that was grown before.
func (c *Scratch) grown(diagonal, i int) bool {
	for _, l := range &c.lines {
		if l.diagonal == diagonal && i < l.end {
			return true
		}
	}
	return false
}

// grow follows the text from the seed as far as the block agrees, and reports
// the windows in that stretch.
func (r *Runs) grow(c *Scratch, i int, s seed) {
	x, at := r.texts[s.text], int(s.at)
	p := c.b.Bytes
	left := commonSuffix(r.text[x.start:at], p[:i])
	right := r.gram + commonPrefix(r.text[at+r.gram:x.end], p[i+r.gram:])
	c.lines[c.line] = line{at - i, i + right}
	c.line = (c.line + 1) % len(c.lines)
	start, end := -1, 0 // of the run under way, in text
	// Windows that end at From or before were reported with an earlier block.
	for k := max(at-left, at-i+c.b.From-x.window+1); k+x.window <= at+right; k++ {
		if !r.starts[k] || !c.b.opens(k+i-at) {
			continue
		}
		if start >= 0 && k > end {
			c.run(start+i-at, end+i-at, int(s.text))
			start = -1
		}
		if start < 0 {
			start = k
		}
		end = k + x.window
	}
	if start >= 0 {
		c.run(start+i-at, end+i-at, int(s.text))
	}
}

func (c *Scratch) run(start, end, text int) {
	if end > c.b.From {
		c.runs = append(c.runs, Hit{start, end, text})
	}
}

// commonPrefix returns how many bytes a and b have in common at their starts.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+8 <= n && word(a, i) == word(b, i) {
		i += 8
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// Hold returns the start of the longest suffix of the block that may still
// become a window; len(b.Bytes) when there is none.
func (r *Runs) Hold(b Block) int {
	if r.empty() || b.Final {
		return len(b.Bytes)
	}
	return r.under.find(r, &b)
}

// Size returns about how many bytes of memory the set takes.
func (r *Runs) Size() int {
	if r == nil {
		return 0
	}
	return 2*len(r.text) + 24*len(r.texts) + 8*len(r.seeds) + 4*len(r.heads) + 8*len(r.words) + r.under.size()
}

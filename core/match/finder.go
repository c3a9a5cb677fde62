package match

import "cmp"

// A Finder looks for needles and for windows of texts in one pass: what they
// have in common is the sieve. It is immutable. A nil Finder finds nothing.
type Finder struct {
	set   *Set
	runs  *Runs
	joint *sieve // of the runs and of one tier of the set; or nil
	tier  *tier
}

// A pass is how one sieve samples a stream for needles and texts.
type pass struct {
	gram, stride int
	shift        uint
}

// NewFinder compiles needles, as Compile does, and texts, as CompileRuns does.
func NewFinder(needles []Needle, every bool, texts []Text) (*Finder, error) {
	if len(needles) == 0 && len(texts) == 0 {
		return nil, nil
	}
	p := newPass(needles, texts)
	f := &Finder{}
	texted := apart(func() (err error) {
		f.runs, err = compileRuns(texts, p)
		return err
	})
	var err error
	f.set, err = compile(needles, every, p)
	if err = cmp.Or(err, texted()); err != nil {
		return nil, err
	}
	f.join(p)
	return f, nil
}

// apart calls f on a goroutine of its own. wait returns what f does, and panics as f does: there the caller can recover, and
// on that goroutine nobody could, so that the program would end with a trace of what is in memory.
func apart(f func() error) (wait func() error) {
	type outcome struct {
		err error
		bug any
	}
	c := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.bug = recover()
			c <- o
		}()
		o.err = f()
	}()
	return func() error {
		o := <-c
		if o.bug != nil {
			panic(o.bug)
		}
		return o.err
	}
}

// newPass returns the pass for needles and texts, or nil if there is nothing to
// share.
func newPass(needles []Needle, texts []Text) *pass {
	total, shortest := 0, 1<<30
	for _, t := range texts {
		total += len(t.Bytes)
		shortest = min(shortest, t.Window)
	}
	if len(needles) == 0 || len(texts) == 0 || total > MaxBytes || shortest < MinWindow { // compileRuns refuses the last two
		return nil
	}
	gram := gramFor(total, shortest)
	p := &pass{gram: gram, stride: shortest - gram + 1}
	p.shift = shiftFor(total + len(needles)*p.stride)
	return p
}

// fits reports whether needles of so many bytes can be found by the pass.
func (p *pass) fits(shortest int) bool {
	return p != nil && shortest >= bounds[1] && shortest >= p.gram+p.stride-1
}

// join makes one sieve of that of the runs and that of the tier it fits, which
// needs its own no longer.
func (f *Finder) join(p *pass) {
	if p == nil || f.runs.empty() {
		return
	}
	for _, t := range f.set.tiers {
		if !t.joins {
			continue
		}
		for i := range t.words {
			f.runs.words[i] &= t.words[i]
		}
		t.words = nil
		f.joint, f.tier = &f.runs.sieve, t
		return
	}
}

// Find returns the needles, as Set.Find does, and the runs, as Runs.Find does.
// Both are valid until the next use of c.
func (f *Finder) Find(c *Scratch, b Block) (needles, runs []Hit) {
	if f == nil {
		return nil, nil
	}
	c.begin(b)
	for _, t := range f.set.tiers {
		if t != f.tier {
			t.find(c)
		}
	}
	if f.joint == nil {
		f.runs.find(c)
	} else if len(b.Bytes) >= f.joint.stride+f.joint.gram-1 {
		f.sweep(c)
	}
	return c.hits, c.runs
}

// sweep is the pass for both.
func (f *Finder) sweep(c *Scratch) {
	f.tier.begin(c)
	whole := false // the tier is done with the block
	for i := 0; i+f.joint.gram <= len(c.b.Bytes); {
		from := i
		i = f.joint.scan(c, i)
		for _, x := range c.found[:c.n] {
			f.runs.sprout(c, x.i, x.h)
		}
		if !whole {
			whole = f.tier.take(c, from, i)
		}
	}
	f.tier.finish(c)
}

// Hold returns the start of the longest suffix of the block that may still
// become an occurrence of either; len(b.Bytes) when there is none.
func (f *Finder) Hold(b Block) int {
	if f == nil {
		return len(b.Bytes)
	}
	return min(f.set.Hold(b), f.runs.Hold(b))
}

// Rest is that of the needles.
func (f *Finder) Rest(b Block, i int) []byte {
	if f == nil {
		return nil
	}
	return f.set.Rest(b, i)
}

// Size returns about how many bytes of memory the finder takes.
func (f *Finder) Size() int {
	if f == nil {
		return 0
	}
	return f.set.Size() + f.runs.Size()
}

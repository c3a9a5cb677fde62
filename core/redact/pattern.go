package redact

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"io"
	"sort"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/secret"
)

// Limits of what a stream learns from its rules.
const (
	minLearned = 12   // bytes of a value that becomes a needle
	maxLearned = 1024 // values a stream
)

// patterns is the second stage of a Writer with rules: what the needles left
// goes through the rules, so that a scanner never sees a vault value, and then
// through what the rules found before: a value found once is a needle for the
// rest of the stream, in the exact and the common encoded forms.
type patterns struct {
	set     *rule.Set
	filter  *rule.Filter
	learned *Writer // nil before a value is learned
	dst     io.Writer
	known   map[[16]byte]bool
	hook    func(Mask)
	counts  map[string]int64
	places  []place
	down    int64 // bytes received
}

// place says that byte down of what the rules see is byte up of the stream.
type place struct{ down, up int64 }

func newPatterns(dst io.Writer, set *rule.Set, hook func(Mask)) *patterns {
	p := &patterns{set: set, dst: dst, hook: hook, counts: map[string]int64{}}
	p.filter = rule.NewFilter(tail{p}, set, p.found)
	return p
}

// tail is what the rules write to.
type tail struct{ p *patterns }

func (t tail) Write(b []byte) (int, error) {
	if t.p.learned != nil {
		return t.p.learned.Write(b)
	}
	return t.p.dst.Write(b)
}

// at notes where in the stream the next byte written stands.
func (p *patterns) at(up int64) {
	if n := len(p.places); n > 0 && p.places[n-1].up-p.places[n-1].down == up-p.down {
		return
	}
	if len(p.places) >= 4096 { // findings are never that far behind
		p.places = p.places[:copy(p.places, p.places[2048:])]
	}
	p.places = append(p.places, place{p.down, up})
}

// up returns the offset in the stream of a byte that the rules see.
func (p *patterns) up(down int64) int64 {
	i := sort.Search(len(p.places), func(i int) bool { return p.places[i].down > down }) - 1
	if i < 0 {
		return down
	}
	return p.places[i].up + down - p.places[i].down
}

func (p *patterns) Write(b []byte) (int, error) {
	p.down += int64(len(b))
	return p.filter.Write(b)
}

// found counts a finding and learns its value. All before the finding's end has
// been written, nothing after it.
func (p *patterns) found(f rule.Finding) {
	r := p.set.Rule(f.Rule)
	p.counts[r.ID]++
	if p.hook != nil {
		p.hook(Mask{Rule: r.ID, Start: p.up(f.Start), End: p.up(f.End-1) + 1})
	}
	if !r.Plain {
		p.learn(r.ID, f.Value)
	}
}

// learn makes a value a needle for what comes next. A value that cannot become
// one stays masked where its rule finds it.
func (p *patterns) learn(id string, value []byte) {
	value = bytes.TrimSpace(value)
	key := sum(value)
	if len(value) < minLearned || len(p.known) >= maxLearned || p.known[key] {
		return
	}
	if p.learned == nil {
		p.known = map[[16]byte]bool{}
		p.learned = newWriter(p.dst, newGrowingSet(), p.again)
	}
	if p.learned.learn(Needle{Name: id, Value: secret.New(bytes.Clone(value))}) == nil {
		p.known[key] = true
	}
}

// again reports a learned value that came again. Its place is where the stream
// stood.
func (p *patterns) again(m Mask) {
	p.counts[m.Name]++
	if p.hook != nil {
		at := p.up(p.down)
		p.hook(Mask{Rule: m.Name, Start: at, End: at})
	}
}

// held returns the bytes that wait, first the ones that came first.
func (p *patterns) held() []byte {
	var b []byte
	if p.learned != nil {
		b = append(b, p.learned.tail()...)
	}
	return append(b, p.filter.Tail()...)
}

// release passes on the bytes that wait.
func (p *patterns) release() error {
	err := p.filter.Release()
	if p.learned != nil {
		p.learned.release()
	}
	return err
}

func (p *patterns) flush() error {
	err := p.filter.Flush()
	if p.learned != nil {
		err = cmp.Or(err, p.learned.Flush())
	}
	return err
}

// close wipes what was learned.
func (p *patterns) close() {
	p.filter.Close()
	if p.learned != nil {
		p.learned.Close()
		for _, n := range p.learned.set.needles {
			n.Value.Wipe()
		}
	}
}

// sum tells learned values apart without keeping them.
func sum(b []byte) (key [16]byte) {
	h := sha256.Sum256(b)
	copy(key[:], h[:])
	return key
}

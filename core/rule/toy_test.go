package rule

import (
	"bytes"
	"slices"

	"github.com/opaquevault/ov/core/scan"
)

// toy is a scanner made of functions: one rule for each way that the engine
// offers.
type toy struct {
	rules []scan.Rule
	check []func(w []byte, at int, final bool) ([]scan.Span, bool)
}

func (t *toy) Rules() []scan.Rule { return t.rules }

func (t *toy) Check(rule int, w []byte, at int, final bool) ([]scan.Span, bool) {
	spans, more := t.check[rule](w, at, final)
	for i := range spans {
		spans[i].Rule = rule
	}
	return spans, more
}

func (t *toy) add(r scan.Rule, check func([]byte, int, bool) ([]scan.Span, bool)) {
	t.rules, t.check = append(t.rules, r), append(t.check, check)
}

func alnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= lower(c) && lower(c) <= 'z'
}

// prefixed finds key and at least least bytes of alnum.
func prefixed(key string, least int) func([]byte, int, bool) ([]scan.Span, bool) {
	return func(w []byte, at int, final bool) ([]scan.Span, bool) {
		if at > 0 && alnum(w[at-1]) {
			return nil, false
		}
		i := at + len(key)
		for i < len(w) && alnum(w[i]) {
			i++
		}
		switch {
		case i-at-len(key) >= least:
			return []scan.Span{{Start: at, End: i, Open: i == len(w) && !final}}, false
		default:
			return nil, i == len(w) && !final
		}
	}
}

func toys() *toy {
	t := &toy{}
	t.add(scan.Rule{ID: "tok", Keywords: []string{"tok_"}, Behind: 1, Need: 12, Max: 40, Swallow: alnum}, prefixed("tok_", 4))
	t.add(scan.Rule{ID: "fold", Keywords: []string{"key-", "key-k"}, Fold: true, Need: 9, Max: 11, Swallow: alnum}, prefixed("key-", 2))
	t.add(scan.Rule{ID: "label", Keywords: []string{"pass", "password"}, After: true, Need: 24}, label)
	t.add(scan.Rule{ID: "lead", Keywords: []string{"@@x", "@x@"}, Before: 4, Behind: 1, Need: 3, Lead: digits}, func(w []byte, at int, _ bool) ([]scan.Span, bool) {
		return []scan.Span{{Start: at - digits(w[max(0, at-4):at]), End: at + 3}}, false
	})
	t.add(scan.Rule{ID: "held", Keywords: []string{"!!!"}, Before: 5, Need: 4}, func(w []byte, at int, final bool) ([]scan.Span, bool) {
		if at+3 == len(w) && !final {
			return nil, true
		}
		return []scan.Span{{Start: max(0, at-5), End: at + 2}}, false
	})
	t.add(scan.Rule{ID: "block", Keywords: []string{"BEGIN"}, Need: 5, Max: 200, Follow: lines}, func(w []byte, at int, _ bool) ([]scan.Span, bool) {
		return []scan.Span{{Start: at, End: at + 5, Open: true}}, false
	})
	t.add(scan.Rule{ID: "never", Keywords: []string{"stall"}, Need: 10}, func([]byte, int, bool) ([]scan.Span, bool) { return nil, true })
	t.add(scan.Rule{ID: "wild", Keywords: []string{"wild"}, Need: 6}, func(w []byte, at int, _ bool) ([]scan.Span, bool) {
		return []scan.Span{{Start: -3, End: 99}}, len(w) < at+6
	})
	return t
}

// label finds the word after "pass=" or "password:", which must end.
func label(w []byte, at int, final bool) ([]scan.Span, bool) {
	i := at + 4
	if bytes.HasPrefix(w[i:], []byte("word")) {
		i += 4
	}
	short := len(w) < at+24 && !final
	if i == len(w) {
		return []scan.Span{{Start: i}}, short
	}
	if w[i] != '=' && w[i] != ':' {
		return nil, false
	}
	i++
	j := i
	for j < len(w) && alnum(w[j]) {
		j++
	}
	if j == len(w) && short {
		return []scan.Span{{Start: i}}, true
	}
	return []scan.Span{{Start: i, End: j}}, false
}

func digits(b []byte) int {
	n := 0
	for n < len(b) && '0' <= b[len(b)-1-n] && b[len(b)-1-n] <= '9' {
		n++
	}
	return n
}

// lines takes lines that start with "=", and an unfinished one at the end.
func lines(state uint32, b []byte, final bool) (int, uint32, bool) {
	if len(b) == 0 {
		return 0, state, !final
	}
	if b[0] != '=' {
		return 0, state, false
	}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1, state + 1, false
	}
	if final {
		return len(b), state, false
	}
	return 0, state, true
}

// naive is the oracle: it has all of b, finds keywords by comparing at every
// offset, asks with whole windows, carries open spans on, and paints bytes.
func naive(set *Set, b []byte) []byte {
	type paint struct{ start, end, rule int }
	var all []paint
	for r := range set.rules {
		e := &set.rules[r]
		for at := range b {
			for _, k := range e.Keywords {
				w := word{text: k, fold: e.Fold}
				if at+len(k) > len(b) || !w.is(b[at:at+len(k)]) {
					continue
				}
				low := at - e.run(b[:at])
				if e.After {
					low = at + len(k)
				}
				lo, hi := max(0, at-e.Before-e.Behind), min(len(b), at+e.Need)
				spans, more := e.scanner.Check(e.index, b[lo:hi], at-lo, hi == len(b))
				if more {
					spans = []scan.Span{{Start: low - lo, End: hi - lo, Rule: e.index}}
				}
				for _, s := range spans {
					if s.Start < 0 || s.End > hi-lo {
						s.Start, s.End = low-lo, hi-lo
					}
					p := paint{max(low, lo+s.Start), lo + s.End, r}
					if s.Open {
						p.end = on(e, b, p.start, p.end)
					}
					if p.end > p.start {
						all = append(all, p)
					}
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b paint) int { return (a.start-b.start)*1000 + a.rule - b.rule })
	var out []byte
	at := 0
	for i := 0; i < len(all); {
		p := all[i]
		out = append(append(out, b[at:p.start]...), Marker(set.rules[p.rule].ID)...)
		at = p.end
		for i++; i < len(all) && all[i].start <= at; i++ {
			at = max(at, all[i].end)
		}
	}
	return append(out, b[at:]...)
}

// on carries an open span on, with all the bytes there.
func on(e *entry, b []byte, start, end int) int {
	limit := min(len(b), start+e.Max)
	state := uint32(0)
	for end < limit {
		n := 0
		if e.Swallow != nil {
			if e.Swallow(b[end]) {
				n = 1
			}
		} else {
			n, state, _ = e.Follow(state, b[end:limit], true)
		}
		if n == 0 {
			break
		}
		end += n
	}
	return end
}

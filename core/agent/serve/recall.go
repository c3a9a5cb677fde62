package serve

import (
	"context"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/policy"
)

// What the gate counts (uses of rules with a limit, fragments that were masked)
// is in the audit log as well, and comes back from there when the agent was
// locked, killed or started for one command: a count that a kill resets is none.

// maxAbandoned is how many runs with a secret may end in an hour without saying
// what was masked, before its use is asked for: whoever kills ov in time would
// otherwise guess uncounted.
const maxAbandoned = 4

// recall takes over the counts from the audit log, once after each unlock.
func (s *Server) recall(ctx context.Context, p *policy.Policy) error {
	s.gate.mu.Lock()
	known := s.gate.recalled
	s.gate.mu.Unlock()
	if known {
		return nil
	}
	s.late.Wait() // what is being written belongs to it
	o, done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	entries, err := o.log.Recent(s.c.Now().Add(-window(p)))
	if err != nil {
		return err
	}
	counted := slices.DeleteFunc(entries, func(e audit.Entry) bool {
		return len(e.Limits) == 0 && !lost(e) && !slices.ContainsFunc(e.Masked, fragment)
	})
	s.gate.restore(counted, o.log)
	return nil
}

// window is how far back a count of p reaches.
func window(p *policy.Policy) time.Duration {
	longest := time.Hour
	for i := range p.Rules {
		longest = max(longest, time.Duration(p.Rules[i].Per))
	}
	return longest
}

// limited returns the names of the rules with a limit.
func limited(p *policy.Policy) []string {
	var names []string
	for i := range p.Rules {
		if p.Rules[i].Max > 0 {
			names = append(names, p.Rules[i].Name)
		}
	}
	return names
}

// lost reports whether e is a grant whose client went away without a word.
func lost(e audit.Entry) bool { return e.Event == "ABANDONED" && e.Reason == "" }

func fragment(c audit.Count) bool { return c.Lane == "fragments" }

// restore counts entries, oldest first. Their fragments stay under the HMACs that
// the log has: a secret that was deleted meanwhile may come back.
func (g *gate) restore(entries []audit.Entry, log Log) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.recalled {
		return
	}
	g.recalled, g.past, g.log = true, map[string][]time.Time{}, log
	rules := log.Limits(limited(g.parsed))
	for _, e := range entries {
		for _, mac := range e.Limits {
			if rule, ok := rules[mac]; ok {
				g.uses[rule] = append(g.uses[rule], e.Time)
			}
		}
		for _, c := range e.Masked {
			if fragment(c) {
				g.past[c.Name] = append(g.past[c.Name], times(c.N, e.Time)...)
			}
		}
		for _, mac := range e.Names {
			if lost(e) {
				g.past[mac] = append(g.past[mac], times(lostHits, e.Time)...)
			}
		}
	}
}

// times is n times at, as many as count.
func times(n int64, at time.Time) []time.Time {
	return slices.Repeat([]time.Time{at}, int(min(max(n, 0), maxHits+1)))
}

// lostHits is what a run counts for that did not say what was masked.
const lostHits = maxHits/maxAbandoned + 1

// hot returns a secret of r of which too many fragments were masked lately.
func (g *gate) hot(r *Request) (string, bool) {
	since := r.Time.Add(-time.Hour)
	for _, ref := range r.Refs {
		name := ref.String()
		if g.hits[name] = recent(g.hits[name], since); len(g.hits[name]) == 0 {
			delete(g.hits, name)
		}
		if len(g.hits[name])+g.pastHits(name, since) > maxHits {
			return name, true
		}
	}
	return "", false
}

// pastHits counts those of before the last unlock.
func (g *gate) pastHits(name string, since time.Time) (n int) {
	if len(g.past) == 0 {
		return 0
	}
	for mac := range g.log.Names([]string{name}) {
		g.past[mac] = recent(g.past[mac], since)
		n += len(g.past[mac])
	}
	return n
}

// saw counts the fragments that a completion reports.
func (g *gate) saw(name string, n int64, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hits[name] = append(g.hits[name], times(n, now)...)
}

func recent(times []time.Time, since time.Time) []time.Time {
	return slices.DeleteFunc(times, func(t time.Time) bool { return t.Before(since) })
}

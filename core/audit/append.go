package audit

import (
	"sync"
)

// A queue holds the appends that wait for the one under way: all of them then
// share one lock and one sync.
type queue struct {
	mu      sync.Mutex
	waiting []*pending
	busy    bool
}

type pending struct {
	recs []Record
	err  error
	done chan struct{}
}

// Append writes records, in order. When it returns nil they are on stable
// storage; otherwise none of them counts.
func (l *Log) Append(recs ...Record) error {
	p := &pending{recs: recs, done: make(chan struct{})}
	l.queue.mu.Lock()
	l.queue.waiting = append(l.queue.waiting, p)
	lead := !l.queue.busy
	l.queue.busy = true
	l.queue.mu.Unlock()
	if lead {
		l.lead()
	}
	<-p.done
	return p.err
}

// lead appends one batch, and hands over when more wait by then.
func (l *Log) lead() {
	l.queue.mu.Lock()
	batch := l.queue.waiting
	l.queue.waiting = nil
	l.queue.mu.Unlock()
	l.appendBatch(batch)
	for _, p := range batch {
		close(p.done)
	}
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	if len(l.queue.waiting) == 0 {
		l.queue.busy = false
		return
	}
	go l.lead()
}

func (l *Log) appendBatch(batch []*pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := ErrClosed
	if l.keys != nil {
		err = l.locked(func() error {
			if err := l.load(""); err != nil {
				return err
			}
			return l.appendLocked(batch)
		})
	}
	if err == nil {
		return
	}
	for _, p := range batch {
		if p.err == nil {
			p.err = writeError("append to", err)
		}
	}
}

// appendLocked writes the batch's records; an append whose records cannot be
// written as lines fails alone. One write never crosses the end of an epoch,
// since the next epoch's key must be safe before it is used.
func (l *Log) appendLocked(batch []*pending) error {
	var bodies [][]byte
	n := l.mark.n
	for _, p := range batch {
		lines, err := l.linesOf(p.recs, n+1)
		if err != nil {
			p.err = writeError("append to", err)
			continue
		}
		bodies = append(bodies, lines...)
		n += uint64(len(lines))
	}
	for len(bodies) > 0 {
		room := int(epochSize - l.mark.n%epochSize)
		if room > len(bodies) {
			return l.extend(bodies, uint64(len(bodies)), false)
		}
		if err := l.extendAndSeal(bodies[:room]); err != nil {
			return err
		}
		bodies = bodies[room:]
	}
	return nil
}

func (l *Log) linesOf(recs []Record, first uint64) ([][]byte, error) {
	var out [][]byte
	for i, r := range recs {
		if r.Time.IsZero() {
			r.Time = l.now()
		}
		e, err := r.entry(first+uint64(i), l.cur)
		if err != nil {
			return nil, err
		}
		out = append(out, marshal(e))
	}
	return out, nil
}

// extendAndSeal appends the last records of an epoch and, with them, the line
// that signs it.
func (l *Log) extendAndSeal(bodies [][]byte) error {
	m := l.mark.clone()
	for _, body := range bodies {
		_, m.mac = appendLine(nil, body, l.mac, m.mac)
		m.tree = m.tree.add(m.lines, m.mac)
		m.lines++
	}
	c := checkpoint{log: origin(m.id), size: m.lines, root: m.tree.root(), mac: m.mac, next: verifier(origin(m.id), m.next)}
	signed, err := c.sign(m.key)
	if err != nil {
		return err
	}
	seal := marshal(sealLine{Seal: m.epoch, Note: signed})
	return l.extend(append(bodies[:len(bodies):len(bodies)], seal), uint64(len(bodies)), true)
}

package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"slices"
	"time"
)

// Entries reads the records from the first to the last. It checks no MAC:
// Verify does.
func (l *Log) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for line, err := range l.lines() {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if special(line) {
				continue
			}
			var e Entry
			if err := json.Unmarshal(line, &e); err != nil {
				err = fmt.Errorf("read audit log: malformed record: %w", ErrBroken)
				yield(Entry{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// lines yields every line of every file, without the newline. A line is valid
// until the next one. The last, unfinished one of a killed process is left out.
func (l *Log) lines() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		b, err := l.base()
		if err != nil {
			yield(nil, fmt.Errorf("read audit log: %w", err))
			return
		}
		for no := b.first(); ; no++ {
			f, err := openRead(l.path(no))
			if errors.Is(err, fs.ErrNotExist) && no > b.first() {
				if now, err := l.base(); err == nil && now.first() > no { // pruned while it is read
					b, no = now, now.first()-1
					continue
				}
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("read audit log: %w", err))
				return
			}
			more := readLines(f, yield)
			f.Close()
			if !more {
				return
			}
		}
	}
}

func readLines(f io.Reader, yield func([]byte, error) bool) bool {
	r := bufio.NewReaderSize(f, 256<<10)
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			long := bytes.Clone(line)
			line, err = r.ReadBytes('\n')
			line = append(long, line...)
		}
		if errors.Is(err, io.EOF) {
			return true
		}
		if err != nil {
			yield(nil, fmt.Errorf("read audit log: %w", err))
			return false
		}
		if !yield(line[:len(line)-1], nil) {
			return false
		}
	}
}

// Checkpoint returns the newest signed checkpoint, a note that a witness can
// keep: a log that later has fewer lines, or another root for these, was cut or
// replaced. It is empty before the first epoch's end.
func (l *Log) Checkpoint() (string, error) {
	var last sealLine
	if b, err := l.base(); err != nil {
		return "", err
	} else if b != nil {
		last.Note = b.Note
	}
	for line, err := range l.lines() {
		if err != nil {
			return "", err
		}
		if !bytes.HasPrefix(line, []byte(sealPrefix)) {
			continue
		}
		if err := json.Unmarshal(line, &last); err != nil {
			return "", fmt.Errorf("read audit log: malformed checkpoint: %w", ErrBroken)
		}
	}
	return last.Note, nil
}

// Show returns the newest n entries (0: all), oldest first.
func (l *Log) Show(n int) ([]Entry, error) {
	var out []Entry
	for e, err := range l.Entries() {
		if err != nil {
			return out, err
		}
		out = append(out, e)
		if n > 0 && len(out) > 2*n+1024 {
			out = slices.Clone(out[len(out)-n:])
		}
	}
	if n > 0 && len(out) > n {
		out = out[len(out)-n:]
	}
	return out, nil
}

// Page returns the first n entries behind number after that came since a time.
func (l *Log) Page(after uint64, n int, since time.Time) ([]Entry, error) {
	var out []Entry
	w := l.window(since)
	for e, err := range l.Entries() {
		if err != nil {
			return nil, err
		}
		if !w.has(e) || e.N <= after {
			continue
		}
		if out = append(out, e); len(out) >= n {
			break
		}
	}
	return out, nil
}

// A window finds the entries since a time although clocks are set: what stands
// behind an entry of that time came after it, whatever its own time says. A time
// in the future says that a clock was wrong, and nothing about the others.
type window struct {
	since, now time.Time
	begun      bool
}

func (l *Log) window(since time.Time) *window { return &window{since: since, now: l.now()} }

// has is asked about every entry, in the order of the log.
func (w *window) has(e Entry) bool {
	late := !e.Time.Before(w.since)
	if late && !e.Time.After(w.now) {
		w.begun = true
	}
	return late || w.begun
}

// Grep returns the entries that name a secret (app/environment/NAME), under
// any of the vault's keys.
func (l *Log) Grep(name string) ([]Entry, error) {
	hidden := l.hidden(name)
	return l.filter(func(e Entry) bool {
		return slices.ContainsFunc(e.Names, hidden) || slices.ContainsFunc(e.Masked, func(c Count) bool { return hidden(c.Name) })
	})
}

// hidden returns a test for what stands in the log for name.
func (l *Log) hidden(name string) func(string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, k := range l.keys {
		all = append(all, k.hide(name))
	}
	return func(s string) bool { return slices.Contains(all, s) }
}

// Names returns, for those of refs that the log could name, their HMACs: what
// turns an entry back into references.
func (l *Log) Names(refs []string) map[string]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]string{}
	for _, k := range l.keys {
		for _, r := range refs {
			out[k.hide(r)] = r
		}
	}
	return out
}

// Limits returns, for the names of rules, their HMACs as Entry.Limits has them.
func (l *Log) Limits(rules []string) map[string]string {
	labelled := make([]string, len(rules))
	for i, r := range rules {
		labelled[i] = limitLabel + r
	}
	out := l.Names(labelled)
	for mac, name := range out {
		out[mac] = name[len(limitLabel):]
	}
	return out
}

// An Exposure is one secret that was released since some time.
type Exposure struct {
	Name        string    `json:"name"` // HMAC, hex
	Space       string    `json:"space"`
	First, Last time.Time // of the releases
	Times       int       `json:"times"`
	Clients     []string  `json:"clients"`
}

// Exposed lists the secrets that were released (ACCESSED or REVEALED) since a
// time, to one client or, if client is empty, to any: what an incident touched.
func (l *Log) Exposed(since time.Time, client string) ([]Exposure, error) {
	seen := map[string]*Exposure{}
	var order []string
	w := l.window(since)
	entries, err := l.filter(func(e Entry) bool {
		return w.has(e) && (e.Event == "ACCESSED" || e.Event == "REVEALED") && (client == "" || e.Actor.Client == client)
	})
	for _, e := range entries {
		for _, name := range e.Names {
			x := seen[name]
			if x == nil {
				x = &Exposure{Name: name, Space: e.Space, First: e.Time}
				seen[name] = x
				order = append(order, name)
			}
			x.Last = e.Time
			x.Times++
			if !slices.Contains(x.Clients, e.Actor.Client) {
				x.Clients = append(x.Clients, e.Actor.Client)
			}
		}
	}
	out := make([]Exposure, len(order))
	for i, name := range order {
		out[i] = *seen[name]
	}
	return out, err
}

func (l *Log) filter(keep func(Entry) bool) ([]Entry, error) {
	var out []Entry
	for e, err := range l.Entries() {
		if err != nil {
			return out, err
		}
		if keep(e) {
			out = append(out, e)
		}
	}
	return out, nil
}

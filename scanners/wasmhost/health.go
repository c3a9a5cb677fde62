package wasmhost

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
)

// After this many failures within the time a module is not run any more.
const (
	strikes      = 3
	strikeWindow = time.Minute
)

// A Failure is one window that a module failed on.
type Failure struct {
	Scanner     string
	Cause       error
	Quarantined bool // it is not run any more
	Open        bool // the window passed unmasked, as its setting says
}

// Counts are what a module did so far.
type Counts struct {
	Calls, Spans, Failures int64
	Renewed                int64 // guests that were replaced for their age
	Masked                 int64 // windows masked without it, in quarantine
	Quarantined            bool
}

type counts struct{ calls, spans, failures, renewed, masked atomic.Int64 }

// Counts returns the counts so far.
func (s *Scanner) Counts() Counts {
	c := &s.counts
	return Counts{c.calls.Load(), c.spans.Load(), c.failures.Load(), c.renewed.Load(), c.masked.Load(), s.health.quarantined()}
}

// health remembers the last failures.
type health struct {
	out  atomic.Bool
	mu   sync.Mutex
	last [strikes]time.Time
}

func (h *health) quarantined() bool { return h.out.Load() }

// strike enters a failure and reports whether it was one too many.
func (h *health) strike(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	copy(h.last[:], h.last[1:])
	h.last[strikes-1] = now
	if first := h.last[0]; !first.IsZero() && now.Sub(first) <= strikeWindow {
		h.out.Store(true)
	}
	return h.out.Load()
}

// fail enters a failure and reports it.
func (s *Scanner) fail(cause error) {
	s.counts.failures.Add(1)
	out := s.health.strike(s.options.now())
	if s.options.Report != nil {
		s.options.Report(Failure{s.manifest.Name, cause, out, s.options.FailOpen})
	}
}

// firstLine keeps a guest's text from breaking a log or a terminal.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, line)
	return line[:min(len(line), 200)]
}

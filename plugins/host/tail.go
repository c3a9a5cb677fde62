package host

import (
	"bytes"
	"sync"
)

// keep is how much of a provider's standard error is kept, in bytes.
const keep = 16 << 10

// tail keeps the end of what was written. It is shown later, masked by all the
// values that were fetched by then: a line masked as it comes could show a
// value that arrives a moment after it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool // the beginning is gone
}

// Write never fails, so that a talkative provider is not blocked.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - keep; over > 0 {
		t.cut = true
		n := copy(t.buf, t.buf[over:])
		clear(t.buf[n:])
		t.buf = t.buf[:n]
	}
	return len(p), nil
}

// text leaves out a first line that was cut: it could begin in the middle of a
// value, which no needle matches.
func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.cut {
		return string(t.buf)
	}
	_, rest, _ := bytes.Cut(t.buf, []byte("\n"))
	return "...\n" + string(rest)
}

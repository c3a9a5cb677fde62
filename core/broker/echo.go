package broker

import (
	"io"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/redact"
)

// typed remembers what a person has typed just now, so that its echo is not
// held back when it looks like the beginning of a secret.
type typed struct {
	mu   sync.Mutex
	last []byte
	at   time.Time
}

const (
	typedBytes = 256             // a word or a line, not a paste
	typedAge   = 5 * time.Second // an echo may come over a slow network
)

// add notes keys on their way to the child.
func (t *typed) add(keys []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make([]byte, 0, 2*typedBytes)
	}
	if over := len(keys) - typedBytes; over > 0 {
		keys = keys[over:]
	}
	if over := len(t.last) + len(keys) - cap(t.last); over > 0 {
		t.last = t.last[:copy(t.last, t.last[over:])]
	}
	t.last, t.at = append(t.last, keys...), time.Now()
}

// recent is what was typed within typedAge.
func (t *typed) recent() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.at) > typedAge {
		t.forget()
		return nil
	}
	return append([]byte(nil), t.last...)
}

// forget wipes what was typed: it may have been a password.
func (t *typed) forget() {
	clear(t.last[:cap(t.last)])
	t.last = t.last[:0]
}

// echoing is a terminal's output. Before it waits for more, it lets go of the
// bytes held back that a person has just typed.
type echoing struct {
	io.Reader
	mask *redact.Writer
	keys *typed
}

// Read reads the terminal.
func (e *echoing) Read(b []byte) (int, error) {
	if e.mask.Held() > 0 {
		if err := e.mask.Echo(e.keys.recent()); err != nil {
			return 0, err
		}
	}
	return e.Reader.Read(b)
}

// Close closes the terminal.
func (e *echoing) Close() error {
	closePipe(e.Reader)
	return nil
}

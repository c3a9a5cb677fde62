package proc

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// output is the reading end of the child's stdout or stderr. It reads to the end of the stream, or, once the child has
// ended and something else holds the stream open, for a limited time and what is in the pipe by then.
type output struct {
	f    *os.File
	late bool // the time is over: only what is there
	rest int  // bytes left to read when late

	mu     sync.Mutex
	closed bool
}

// Read fills b once with what the child has printed.
func (o *output) Read(b []byte) (int, error) {
	if o.late {
		return o.readRest(b)
	}
	n, err := o.f.Read(b)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		o.late = true
		o.rest = pending(o.f)
		if err := o.f.SetReadDeadline(time.Time{}); err != nil {
			return n, io.EOF
		}
		return o.readRest(b)
	case isHangup(err), errors.Is(err, os.ErrClosed):
		return n, io.EOF
	}
	return n, err
}

func (o *output) readRest(b []byte) (int, error) {
	if o.rest <= 0 {
		return 0, io.EOF
	}
	if len(b) > o.rest {
		b = b[:o.rest]
	}
	n, err := o.f.Read(b)
	o.rest -= n
	if isHangup(err) {
		err = io.EOF
	}
	return n, err
}

// end starts the clock: the child is gone.
func (o *output) end(linger time.Duration) {
	// A file that cannot have a deadline is left to its end of file.
	_ = o.f.SetReadDeadline(time.Now().Add(linger))
}

// again undoes end: the next stretch of output is about to be read.
func (o *output) again() {
	o.late = false
	_ = o.f.SetReadDeadline(time.Time{})
}

// Close makes the writers meet a broken pipe.
func (o *output) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	return o.f.Close()
}

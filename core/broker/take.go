package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// ErrTake is wrapped by every failure to take what the child prints as a value.
var ErrTake = errors.New("no value taken")

// A Take is a new secret that the child prints on stdout. Nobody is shown it,
// and stderr, where the child may print it as well, waits until it is known.
type Take struct {
	Name  string
	Value secret.Value // empty until Run has returned

	done chan struct{} // closed when stdout has ended
	ok   bool
}

// maxHeld bounds how much of stderr waits for the value; the rest is dropped.
const maxHeld = 256 << 10

// take reads the value from stdout.
func (s *stream) take(t *Take) (err error) {
	defer close(t.done)
	if t.Value, err = secret.Read(s.pipe, false); err != nil {
		return fmt.Errorf("%w: %w", ErrTake, err)
	}
	if t.Value.Len() > secret.MaxValue {
		t.Value.Wipe()
		return fmt.Errorf("%w: %w", ErrTake, secret.ErrTooLong)
	}
	t.ok = true
	return nil
}

// shows reports whether stderr can be masked: the value is whole, because the
// child ended well, or there was none. Of a child that was cut off between, the
// value may be a half, and stderr may hold the other one.
func (t *Take) shows(status proc.Status) bool {
	if n := t.Value.Len(); n > 0 {
		return t.ok && n >= secret.MinMaskable && status.Exit() == 0
	}
	return t.ok
}

// passHeld masks stderr once the value is known, and drops it where it cannot
// be masked.
func (s *stream) passHeld(t *Take, p *proc.Process, notice func(string)) error {
	held, err := io.ReadAll(io.LimitReader(s.pipe, maxHeld))
	defer clear(held)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, s.pipe); err != nil {
		return err
	}
	<-t.done
	status, err := p.Wait()
	if err != nil || len(held) == 0 {
		return err
	}
	if !t.shows(status) {
		notice("what the command said is not shown: it may hold a part of a value")
		return nil
	}
	if err := s.open(); err != nil {
		return err
	}
	if w, ok := s.mask.(*redact.Writer); ok && t.Value.Len() > 0 {
		if err := w.Add(redact.Needle{Name: t.Name, Value: t.Value}); err != nil {
			return err
		}
	}
	if _, err := io.Copy(s.mask, bytes.NewReader(held)); err != nil {
		return err
	}
	return s.mask.Close()
}

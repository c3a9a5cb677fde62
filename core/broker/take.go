package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io"

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

// passHeld masks stderr once the value is known. Without one that is whole
// nothing of it is shown: it may hold parts of it.
func (s *stream) passHeld(t *Take) error {
	held, err := io.ReadAll(io.LimitReader(s.pipe, maxHeld))
	defer clear(held)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, s.pipe); err != nil {
		return err
	}
	<-t.done
	if len(held) == 0 || !t.ok {
		return nil
	}
	if err := s.open(); err != nil {
		return err
	}
	if w, ok := s.mask.(*redact.Writer); ok && t.Value.Len() >= secret.MinMaskable {
		if err := w.Add(redact.Needle{Name: t.Name, Value: t.Value}); err != nil {
			return err
		}
	}
	if _, err := io.Copy(s.mask, bytes.NewReader(held)); err != nil {
		return err
	}
	return s.mask.Close()
}

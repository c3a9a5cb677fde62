package broker

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// ErrDeliver is wrapped by every wish for a delivery that cannot be.
var ErrDeliver = errors.New("not delivered")

// An injection is what a child is given: nothing of it was on a disk, and every
// value in it is a needle.
type injection struct {
	given   []variable
	env     []string
	needles []redact.Needle
	files   proc.Delivery // files and descriptors
	stdin   *os.File      // nil: the child has ours
}

// names returns the secrets that the child is given.
func (in *injection) names() []string {
	var all []string
	for _, v := range in.given {
		all = append(all, v.secret.Ref.Name)
	}
	return all
}

// variables returns the names that they go under.
func (in *injection) variables() []string {
	var all []string
	for _, v := range in.given {
		if v.as != "" {
			all = append(all, v.as)
		}
	}
	return all
}

// Close removes what the child was given, but for its environment.
func (in *injection) Close() error {
	err := in.files.Close()
	if in.stdin != nil {
		err = errors.Join(err, in.stdin.Close())
	}
	return err
}

// deliver gives the child one value by other means than a variable, and puts
// into NAME_FILE where it is.
func (in *injection) deliver(how, as string, v secret.Value) (err error) {
	write := func(w io.Writer) error { _, err := w.Write(v.Reveal()); return err }
	var path string
	switch how {
	case "file":
		path, err = in.files.File(as, write)
	case "fd":
		path, err = in.files.Descriptor(as, write)
	case "stdin":
		if in.stdin != nil {
			return fmt.Errorf("deliver %q: %w: stdin is taken", as, ErrDeliver)
		}
		in.stdin, err = in.files.Stdin(write)
		return err
	default:
		return fmt.Errorf("deliver %q: %w: no way called %q", as, ErrDeliver, how)
	}
	if err == nil {
		in.env = append(without(in.env, as+"_FILE"), as+"_FILE="+path)
	}
	return err
}

// checkDeliveries reports a wish for a variable that is not among them.
func (r *Request) checkDeliveries(all []variable) error {
next:
	for as := range r.Deliver {
		for _, v := range all {
			if v.as == as {
				continue next
			}
		}
		return fmt.Errorf("deliver %q: %w: no such secret in this run", as, ErrDeliver)
	}
	return nil
}

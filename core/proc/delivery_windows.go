package proc

import (
	"errors"
	"io"
	"os"
)

// Delivery has no means on Windows: secrets are delivered by the environment.
type Delivery struct {
	Extra []*os.File
}

// ErrNoMemory says that there is no place in memory to put a file or descriptor: on a disk it will not be put.
var ErrNoMemory = errors.New("no file system or descriptor in memory")

// File is refused.
func (d *Delivery) File(string, func(io.Writer) error) (string, error) { return "", ErrNoMemory }

// Descriptor is refused.
func (d *Delivery) Descriptor(string, func(io.Writer) error) (string, error) { return "", ErrNoMemory }

// Stdin is refused.
func (d *Delivery) Stdin(func(io.Writer) error) (*os.File, error) { return nil, ErrNoMemory }

// Close has nothing to let go of.
func (d *Delivery) Close() error { return nil }

// Sweep has nothing to remove.
func Sweep() {}

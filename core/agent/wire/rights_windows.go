package wire

import (
	"errors"
	"fmt"
	"os"
)

// Sockets of Windows pass no descriptors.
const truncated = 0

func rightsSpace() int { return 0 }

func rightsOf([]*os.File) ([]byte, error) {
	return nil, fmt.Errorf("pass descriptors: %w on Windows", errors.ErrUnsupported)
}

func (f *Frame) take([]byte) error { return fmt.Errorf("%w: control message", ErrFrame) }

package secret

import (
	"bytes"
	"errors"
	"fmt"
)

// Marker starts every mark that masking leaves in a stream. A value that holds
// it is somebody's masked output: stored, it would destroy the credential.
const Marker = "[REDACTED:"

// Reasons for which a value is refused, each wrapped with its figures.
var (
	ErrEmpty   = errors.New("value is empty")
	ErrTooLong = fmt.Errorf("value is longer than %d bytes", MaxValue)
	ErrMarker  = fmt.Errorf("value contains %q, the mark that masking leaves behind", Marker)
	ErrShort   = fmt.Errorf("value is shorter than %d bytes and cannot be masked", MinMaskable)
	ErrNUL     = errors.New("value contains a NUL byte, which no environment variable can hold")
)

// Check reports whether v may be stored. A plain value is never masked, so it
// may be short.
func (v Value) Check(plain bool) error {
	switch b := v.bytes(); {
	case len(b) == 0:
		return ErrEmpty
	case len(b) > MaxValue:
		return ErrTooLong
	case bytes.Contains(b, []byte(Marker)):
		return ErrMarker
	case len(b) < MinMaskable && !plain:
		return ErrShort
	}
	return nil
}

// CheckEnv reports whether v can stand in an environment variable.
func (v Value) CheckEnv() error {
	if bytes.IndexByte(v.bytes(), 0) >= 0 {
		return ErrNUL
	}
	return nil
}

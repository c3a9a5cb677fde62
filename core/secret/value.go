// Package secret is the vocabulary of the project: a Value that cannot print
// itself and the Ref that names it. It imports nothing of ours, and everything
// else speaks it.
package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const mask = "[secret]"

// A Value is one secret. Printing it, by any verb and at any depth, prints a
// mask. The bytes sit behind a closure because fmt walks into unexported
// fields without asking for Formatter, and cannot walk into a func.
//
// The zero Value is empty.
type Value struct{ reveal func() []byte }

// New returns a Value that owns b: the caller neither reads nor writes b again.
func New(b []byte) Value { return Value{func() []byte { return b }} }

// Reveal returns the bytes themselves, not a copy. Every call outside the
// tests is listed, with its reason, in core/reveal.txt.
func (v Value) Reveal() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// Len returns the number of bytes.
func (v Value) Len() int { return len(v.bytes()) }

// Wipe zeroes the bytes. Every copy of v shares them and reads zeros afterwards.
func (v Value) Wipe() { clear(v.bytes()) }

func (v Value) bytes() []byte {
	if v.reveal == nil {
		return nil
	}
	return v.reveal()
}

// Format prints the mask for every verb and flag.
func (Value) Format(s fmt.State, _ rune) { io.WriteString(s, mask) }

// String returns the mask.
func (Value) String() string { return mask }

// MarshalText returns the mask, so that JSON, XML and TOML encoders print it.
func (Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns the mask to log/slog.
func (Value) LogValue() slog.Value { return slog.StringValue(mask) }

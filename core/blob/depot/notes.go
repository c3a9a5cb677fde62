package depot

import (
	"bytes"
	"time"
)

// What databases need of a note is the same for all of them.

// Expiry is how a note's end is stored, in Unix milliseconds: 0 for never.
func (n Note) Expiry() int64 {
	if n.Expires.IsZero() {
		return 0
	}
	return n.Expires.UnixMilli()
}

// FromExpiry is the opposite of Expiry.
func FromExpiry(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// Span returns the ids that begin with prefix: from lo, below hi. lo is never nil,
// which a database would take for NULL.
func Span(prefix []byte) (lo, hi []byte) {
	lo = append([]byte{}, prefix...)
	return lo, append(bytes.Clone(lo), bytes.Repeat([]byte{0xff}, 64)...)
}

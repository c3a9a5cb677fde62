// Package match finds every occurrence of a set of byte strings in a stream.
package match

import (
	"bytes"
	"errors"
	"fmt"
)

// MinLen is the length of the shortest needle.
const MinLen = 4

// ErrNeedle is wrapped by the errors of Compile about a single needle.
var ErrNeedle = errors.New("invalid needle")

// A Needle is a byte string to look for.
type Needle struct {
	Bytes []byte
	Word  bool // only where no letter or digit stands on either side
}

// A Hit is an occurrence of a needle: block[Start:End].
type Hit struct{ Start, End, Needle int }

// A Block is a stretch of the stream: what an earlier block held back, followed
// by new bytes.
type Block struct {
	Bytes []byte
	From  int  // Bytes[:From] were in the block before this one
	Prev  int  // the byte before Bytes[0], -1 at the start of the stream
	Final bool // no more bytes will come
}

// A Set is a compiled set of needles. It is immutable.
type Set struct {
	needles []Needle
	max     int
	first   map[[MinLen]byte][]int
}

// Compile prepares needles for the search.
func Compile(needles []Needle) (*Set, error) {
	s := &Set{needles: needles, first: map[[MinLen]byte][]int{}}
	for i, n := range needles {
		if len(n.Bytes) < MinLen {
			return nil, fmt.Errorf("needle %d has %d bytes, want %d: %w", i, len(n.Bytes), MinLen, ErrNeedle)
		}
		s.max = max(s.max, len(n.Bytes))
		k := [MinLen]byte(n.Bytes)
		s.first[k] = append(s.first[k], i)
	}
	return s, nil
}

// Find appends the occurrences that became known with the bytes from b.From on.
func (s *Set) Find(hits []Hit, b Block) []Hit {
	for i := range b.Bytes {
		if i+MinLen > len(b.Bytes) {
			break
		}
		for _, n := range s.first[[MinLen]byte(b.Bytes[i:])] {
			nd := s.needles[n]
			e := i + len(nd.Bytes)
			if e < b.From || !nd.Word && e == b.From || !bytes.HasPrefix(b.Bytes[i:], nd.Bytes) {
				continue
			}
			if !nd.Word || b.wordAt(i, e) {
				hits = append(hits, Hit{i, e, n})
			}
		}
	}
	return hits
}

// Hold returns the start of the longest suffix of the block that may still
// become an occurrence: len(b.Bytes) when there is none.
func (s *Set) Hold(b Block) int {
	if b.Final {
		return len(b.Bytes)
	}
	for i := max(0, len(b.Bytes)-s.max); i < len(b.Bytes); i++ {
		rest := b.Bytes[i:]
		for _, n := range s.needles {
			if len(n.Bytes) > len(rest) && bytes.HasPrefix(n.Bytes, rest) && (!n.Word || b.leftOf(i)) ||
				n.Word && bytes.Equal(n.Bytes, rest) && b.leftOf(i) {
				return i
			}
		}
	}
	return len(b.Bytes)
}

func (b Block) leftOf(i int) bool {
	if i > 0 {
		return !wordByte(int(b.Bytes[i-1]))
	}
	return !wordByte(b.Prev)
}

func (b Block) wordAt(i, e int) bool {
	if !b.leftOf(i) {
		return false
	}
	if e == len(b.Bytes) {
		return b.Final
	}
	return !wordByte(int(b.Bytes[e]))
}

func wordByte(c int) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

package redact

import (
	"fmt"

	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/match"
)

// newGrowingSet returns a set without needles that grows with one stream.
func newGrowingSet() *Set {
	return &Set{options: Options{Lanes: Exact | Encoded}, stream: finder{grown: &match.Growing{}}}
}

// learn makes a needle known from the bytes held back now on, in its common
// forms. The set is the stream's own.
func (w *Writer) learn(n Needle) error {
	f := &w.set.stream
	who := form{needle: int32(len(w.set.needles)), lane: Exact}
	var needles [][]byte
	for _, x := range encode.New(n.Value.Reveal()).Common() {
		if len(x.Bytes) >= match.MinGrowing {
			needles = append(needles, x.Bytes)
		}
	}
	if err := f.grown.Add(needles); err != nil {
		return fmt.Errorf("learn needle %q: %w", n.Name, err)
	}
	for range needles {
		f.grownOf = append(f.grownOf, who)
	}
	w.set.needles = append(w.set.needles, n)
	w.set.markers = append(w.set.markers, marker(n.Name))
	w.seen, w.rest = w.first, nil // what is held back has not been searched for it
	return nil
}

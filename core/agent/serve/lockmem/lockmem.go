// Package lockmem keeps keys where nobody else can read them: in memory that
// the kernel takes out of its own map (memfd_secret), or, where that is
// missing, in locked memory that is left out of core dumps and not inherited by
// a fork.
package lockmem

import (
	"os"
	"sync"
)

// Kind says where an Arena's memory is.
type Kind string

// The kinds, best first.
const (
	Secret Kind = "memfd_secret" // not even root reads it through /proc
	Locked Kind = "locked"       // never swapped, not dumped, wiped on fork
	Plain  Kind = "plain"        // the system grants nothing better
)

// A region is one mapping, handed out from its start.
type region struct {
	bytes []byte
	used  int
	kind  Kind
}

// An Arena hands out pieces of protected memory and takes them back all at
// once. The zero Arena is ready to use.
type Arena struct {
	mu      sync.Mutex
	regions []region
}

// regionPages is the size of a mapping: enough for a thousand keys, and within
// the 64 KiB of locked memory that old systems allow a process.
const regionPages = 8

// Alloc returns n zeroed bytes.
func (a *Arena) Alloc(n int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.regions) > 0 {
		if b := a.regions[len(a.regions)-1].take(n); b != nil {
			return b
		}
	}
	page := os.Getpagesize()
	size := max(regionPages*page, (n+page-1)/page*page)
	a.regions = append(a.regions, mapRegion(size))
	return a.regions[len(a.regions)-1].take(n)
}

// take cuts n bytes off r, aligned to a cache line so that no two keys share one.
func (r *region) take(n int) []byte {
	const line = 64
	if n > len(r.bytes)-r.used {
		return nil
	}
	b := r.bytes[r.used : r.used+n : r.used+n]
	r.used = min((r.used+n+line-1)/line*line, len(r.bytes))
	return b
}

// Kind returns the weakest kind of memory in use, or the kind that the first
// Alloc would get.
func (a *Arena) Kind() Kind {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.regions) == 0 {
		a.regions = append(a.regions, mapRegion(regionPages*os.Getpagesize()))
	}
	kind := Secret
	for _, r := range a.regions {
		if rank(r.kind) > rank(kind) {
			kind = r.kind
		}
	}
	return kind
}

func rank(k Kind) int {
	switch k {
	case Secret:
		return 0
	case Locked:
		return 1
	}
	return 2
}

// Wipe zeroes everything that was handed out. The memory stays mapped, so that
// a late reader finds zeros and no fault.
func (a *Arena) Wipe() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.regions {
		clear(a.regions[i].bytes)
		a.regions[i].used = 0
	}
}

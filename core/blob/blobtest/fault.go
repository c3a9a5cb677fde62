package blobtest

import (
	"context"
	"errors"
	"sync"

	"github.com/opaquevault/ov/core/blob"
)

// ErrInjected is what a Faulty store fails with.
var ErrInjected = errors.New("injected fault")

// A Fault is what goes wrong with a commit.
type Fault int

// The faults.
const (
	None   Fault = iota
	Before       // the commit fails and nothing of it is stored
	After        // all of it is stored, and the answer is lost
)

// A Faulty is a Store whose commits go wrong as Next says.
type Faulty struct {
	blob.Store
	mu   sync.Mutex
	Next func(n int) Fault // of the n-th commit, from 1
	n    int
}

// Commit implements blob.Store.
func (f *Faulty) Commit(ctx context.Context, c blob.Commit) error {
	f.mu.Lock()
	f.n++
	fault := f.Next(f.n)
	f.mu.Unlock()
	if fault == Before {
		return ErrInjected
	}
	if err := f.Store.Commit(ctx, c); err != nil || fault == None {
		return err
	}
	return ErrInjected
}

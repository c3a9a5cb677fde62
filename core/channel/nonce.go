package channel

import (
	"errors"
	"sync"
	"time"
)

// Errors of a nonce that is not taken.
var (
	ErrReplayed = errors.New("request was seen before")
	ErrBusy     = errors.New("too many requests to remember")
)

// maxNonces bounds what one generation of Nonces remembers: about 40 bytes each.
const maxNonces = 2 << 20

// Nonces remembers the nonces of the requests of the last minutes, in two
// generations: a request is taken within Skew of its time, so that it can come
// again for at most twice Skew, which is the age of a generation.
type Nonces struct {
	mu       sync.Mutex
	now, old map[[16]byte]struct{}
	since    time.Time
}

// Use remembers nonce. It returns ErrReplayed for one that was seen, and
// ErrBusy, remembering nothing, when there is no room.
func (n *Nonces) Use(nonce [16]byte, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now == nil || now.Sub(n.since) >= 2*Skew {
		n.old, n.now, n.since = n.now, map[[16]byte]struct{}{}, now
	}
	if _, ok := n.old[nonce]; ok {
		return ErrReplayed
	}
	if _, ok := n.now[nonce]; ok {
		return ErrReplayed
	}
	if len(n.now) >= maxNonces {
		return ErrBusy
	}
	n.now[nonce] = struct{}{}
	return nil
}

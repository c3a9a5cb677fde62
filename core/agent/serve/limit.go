package serve

import (
	"context"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
)

// maxWaitRate is how long a request waits for its turn before it is refused.
const maxWaitRate = 5 * time.Second

// A bucket slows requests down to a rate, and refuses those that would wait
// too long.
type bucket struct {
	mu     sync.Mutex
	rate   float64 // tokens a second
	burst  float64
	tokens float64
	last   time.Time
}

func newBucket(rate, burst float64) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, last: time.Now()}
}

// take waits for a token.
func (b *bucket) take(ctx context.Context) error {
	b.mu.Lock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	b.last = now
	wait := time.Duration((1 - b.tokens) / b.rate * float64(time.Second))
	if wait > maxWaitRate {
		b.mu.Unlock()
		return agent.ErrBusy
	}
	b.tokens--
	b.mu.Unlock()
	if wait <= 0 {
		return nil
	}
	select {
	case <-time.After(wait):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

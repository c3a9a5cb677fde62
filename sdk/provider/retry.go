package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// A Retry says how often and how patiently a call is tried again. Zero fields
// take the defaults: 10 tries, 100 ms, 8 s.
type Retry struct {
	Tries     int           // calls in all
	Base, Max time.Duration // of the pause, which doubles and is jittered
	// Sleep waits; tests replace it. It returns early when ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
}

// defaultRetry rides out ten seconds of a service that is away, even when
// jitter halves every pause.
var defaultRetry = Retry{Tries: 10, Base: 100 * time.Millisecond, Max: 8 * time.Second, Sleep: sleep}

// Do calls f until it succeeds, fails for good, or the tries are used up. It
// waits what the service asked for (Error.RetryAfter), up to a minute, else
// between half and all of a pause that doubles.
func (r Retry) Do(ctx context.Context, f func(context.Context) error) error {
	r = r.withDefaults()
	pause := r.Base
	for try := 1; ; try++ {
		err := f(ctx)
		if err == nil || !Retryable(err) || try == r.Tries {
			return err
		}
		wait := pause/2 + rand.N(pause/2+1)
		if e, ok := errors.AsType[*Error](err); ok && e.RetryAfter > 0 {
			wait = min(e.RetryAfter, time.Minute)
		}
		if stopped := r.Sleep(ctx, wait); stopped != nil {
			return err
		}
		pause = min(2*pause, r.Max)
	}
}

func (r Retry) withDefaults() Retry {
	if r.Tries <= 0 {
		r.Tries = defaultRetry.Tries
	}
	if r.Base <= 0 {
		r.Base = defaultRetry.Base
	}
	if r.Max <= 0 {
		r.Max = defaultRetry.Max
	}
	if r.Sleep == nil {
		r.Sleep = sleep
	}
	return r
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

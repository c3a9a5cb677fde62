package rest

import (
	"context"
	"sync"
)

// workers is how many calls Parallel makes at once.
const workers = 8

// Parallel calls f for each of in, several at once, and returns the results in
// their order. The first error ends it.
func Parallel[T, R any](ctx context.Context, in []T, f func(context.Context, T) (R, error)) ([]R, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := make([]R, len(in))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, len(in)) {
		wg.Go(func() {
			for i := range next {
				r, err := f(ctx, in[i])
				if err != nil {
					stop(err)
				}
				out[i] = r
			}
		})
	}
feed:
	for i := range in {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return out, context.Cause(ctx)
}

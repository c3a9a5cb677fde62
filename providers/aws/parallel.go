package aws

import (
	"context"
	"sync"

	"github.com/opaquevault/ov/sdk/provider"
)

// parallel is how many values are read at once where there is no batch.
const parallel = 8

// oneByOne fetches refs with a few calls under way at once. It reports whether
// the caller wants more.
func oneByOne(ctx context.Context, p provider.Provider, refs []string, yield func(provider.Result) bool) bool {
	ctx, stop := context.WithCancel(ctx)
	results, work := make(chan provider.Result), make(chan string)
	var workers sync.WaitGroup
	for range min(parallel, len(refs)) {
		workers.Go(func() {
			for ref := range work {
				i, err := p.Fetch(ctx, ref)
				results <- provider.Result{Ref: ref, Item: i, Err: err}
			}
		})
	}
	go func() {
		for _, r := range refs {
			work <- r
		}
		close(work)
		workers.Wait()
		close(results)
	}()
	more := true
	for r := range results { // drained in any case, so that no worker is left behind
		if more && !yield(r) {
			more = false
			stop()
		}
	}
	stop()
	return more
}

package serve

import (
	"context"
	"sync"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// singles fetches with a few workers.
func (f *fetcher) singles(refs <-chan string) error {
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for ref := range refs {
				f.answer(f.one(ref))
			}
		})
	}
	workers.Wait()
	return f.err
}

func (f *fetcher) one(ref string) provider.Result {
	r := provider.Result{Ref: ref}
	r.Err = f.retry.Do(f.ctx, func(ctx context.Context) (err error) {
		r.Item, err = f.p.Fetch(ctx, ref)
		return err
	})
	return r
}

// batches hands over what has arrived, up to MaxBatch at once. References whose
// error may pass are tried again together.
func (f *fetcher) batches(b provider.BatchFetcher, refs <-chan string) error {
	for {
		batch := gather(refs)
		if len(batch) == 0 {
			return f.err
		}
		f.retryBatch(b, batch)
	}
}

// linger is how long a batch waits for company: long beside the time between
// two references of one host, short beside a call to any service.
const linger = 5 * time.Millisecond

// gather waits for one reference and takes along those that follow closely.
func gather(refs <-chan string) []string {
	first, ok := <-refs
	if !ok {
		return nil
	}
	batch := []string{first}
	late := time.After(linger)
	for len(batch) < provider.MaxBatch {
		select {
		case ref, ok := <-refs:
			if !ok {
				return batch
			}
			batch = append(batch, ref)
		case <-late:
			return batch
		}
	}
	return batch
}

func (f *fetcher) retryBatch(b provider.BatchFetcher, batch []string) {
	left := batch
	var last map[string]error
	f.retry.Do(f.ctx, func(ctx context.Context) error {
		last = unanswered(left)
		var again error
		for r := range b.FetchBatch(ctx, left) {
			if _, asked := last[r.Ref]; !asked {
				continue // not asked for, or answered twice
			}
			if provider.Retryable(r.Err) {
				last[r.Ref], again = r.Err, r.Err
				continue
			}
			delete(last, r.Ref)
			f.answer(r)
		}
		left = left[:0:0]
		for _, ref := range batch {
			if _, open := last[ref]; open {
				left = append(left, ref)
			}
		}
		return again
	})
	for ref, err := range last {
		f.answer(provider.Result{Ref: ref, Err: err})
	}
}

func unanswered(refs []string) map[string]error {
	open := make(map[string]error, len(refs))
	for _, ref := range refs {
		open[ref] = provider.Errorf(provider.Invalid, "the provider gave no answer")
	}
	return open
}

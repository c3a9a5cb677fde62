package vault

import (
	"context"

	"github.com/opaquevault/ov/core/blob"
)

// failing is a store that fails where it is told to.
type failing struct {
	blob.Store
	commit error // before a commit
	after  error // after it: done, and not said so
	got    func([]blob.Record)
	heads  func(*blob.Head)
	list   func([]blob.Entry) []blob.Entry
	lose   bool // every record

	committed func()
}

func (f *failing) Commit(ctx context.Context, c blob.Commit) error {
	if f.committed != nil {
		f.committed()
	}
	if f.commit != nil {
		return f.commit
	}
	if err := f.Store.Commit(ctx, c); err != nil {
		return err
	}
	return f.after
}

func (f *failing) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	if f.lose {
		return nil, blob.ErrNotFound
	}
	recs, err := f.Store.Get(ctx, keys)
	if f.got != nil {
		f.got(recs)
	}
	return recs, err
}

func (f *failing) Head(ctx context.Context) (blob.Head, error) {
	h, err := f.Store.Head(ctx)
	if f.heads != nil && err == nil {
		f.heads(&h)
	}
	return h, err
}

func (f *failing) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	out, err := f.Store.Changes(ctx, since)
	if f.list != nil {
		out = f.list(out)
	}
	return out, err
}

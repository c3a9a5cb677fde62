package vault

import (
	"context"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
)

// pushChunk is how many records are read at once for Push.
const pushChunk = 500

// Push copies the whole vault, as it is sealed, into to, which must be empty:
// nothing is opened, and it stays the same vault.
func (v *Vault) Push(ctx context.Context, to blob.Store) error {
	if v.machine != nil {
		return fmt.Errorf("push vault: %w", ErrScope)
	}
	err := v.read(ctx, func() error {
		c := blob.Commit{Seq: v.state.head.Seq, Manifest: v.state.head.Manifest, Reset: v.state.manifest.Reset}
		if err := v.settle(&c); err != nil {
			return err
		}
		keys := make([]blob.Key, 0, len(v.state.entries))
		for k := range v.state.entries {
			keys = append(keys, k)
		}
		for at := 0; at < len(keys); at += pushChunk {
			some := keys[at:min(at+pushChunk, len(keys))]
			data, err := v.fetch(ctx, some)
			if err != nil {
				return err
			}
			for i, k := range some {
				e := v.state.entries[k]
				c.Put = append(c.Put, blob.Record{Key: k, Group: e.group, Sum: e.sum, Data: data[i]})
			}
		}
		if err := to.Commit(ctx, c); err != nil {
			return storeError("write", err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("push vault: %w", err)
	}
	return nil
}

package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// Delete hides ref behind a tombstone, which is a version like any other.
func (v *Vault) Delete(ctx context.Context, ref secret.Ref) error {
	if err := ref.Check(); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	err := v.writeSecrets(ctx, func(t *tx) error {
		old, err := t.current(ctx, ref)
		if err != nil {
			return err
		}
		if !old.live() {
			return ErrNotFound
		}
		m := seal.Meta{Ref: ref, Created: old.rec.Created, Flags: seal.FlagDeleted}
		t.putVersion(old.key, m, secret.Value{})
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete %q: %w", ref, err)
	}
	return nil
}

func sortSpaces(s []Space) {
	slices.SortFunc(s, func(a, b Space) int { return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.Env, b.Env)) })
}

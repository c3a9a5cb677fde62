package vault

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestCreateAndDeleteSpace(t *testing.T) {
	h, ctx := newHome(t), context.Background()
	allow := func([]Head) error { return nil }
	v := h.create(Options{})
	spaces := func(want ...Space) {
		t.Helper()
		for range 2 { // here, and as it is stored
			if got, err := v.Spaces(ctx); err != nil || !slices.Equal(got, want) {
				t.Errorf("spaces %v, %v, want %v", got, err, want)
			}
			v.Close()
			v = h.unlock()
		}
	}
	if err := v.CreateSpace(ctx, "shop", "staging"); err != nil {
		t.Fatal(err)
	}
	if err := v.CreateSpace(ctx, "shop", "staging"); !errors.Is(err, ErrTaken) {
		t.Errorf("again: %v, want ErrTaken", err)
	}
	if err := v.CreateSpace(ctx, "Shop", "no slug"); err == nil {
		t.Error("made an environment of no name")
	}
	spaces(Space{"shop", "staging"})
	for _, name := range []string{"shop/staging/A", "shop/staging/B", "shop/production/A"} {
		for range 3 {
			if _, err := v.Put(ctx, ref(t, name), text("value of "+name), PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := v.Delete(ctx, ref(t, "shop/staging/B")); err != nil {
		t.Fatal(err)
	}
	if err := v.DeleteSpace(ctx, "shop", "staging", nil); !errors.Is(err, ErrConflict) {
		t.Errorf("with a secret that nobody named: %v, want ErrConflict", err)
	}
	heads, err := v.Names(ctx, "shop", "staging")
	if err != nil || len(heads) != 1 {
		t.Fatal(heads, err)
	}
	old := []Head{{heads[0].Ref, heads[0].Version - 1}}
	if err := v.DeleteSpace(ctx, "shop", "staging", old); !errors.Is(err, ErrConflict) {
		t.Errorf("with a secret that changed: %v, want ErrConflict", err)
	}
	before := len(v.state.entries)
	if err := v.DeleteSpace(ctx, "shop", "staging", heads); err != nil {
		t.Fatal(err)
	}
	if gone := before - len(v.state.entries); gone < 8 { // three versions, four with the tombstone, the key
		t.Errorf("%d records went", gone)
	}
	spaces(Space{"shop", "production"})
	if err := v.DeleteSpace(ctx, "shop", "staging", nil); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v, want ErrNotFound", err)
	}
	if report, err := v.Verify(ctx, allow); err != nil || len(report.Problems) > 0 {
		t.Errorf("verify: %+v, %v", report, err)
	}
	if _, err := v.Put(ctx, ref(t, "shop/staging/A"), text("a new value, of a new environment"), PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if infos, err := v.History(ctx, ref(t, "shop/staging/A"), allow); err != nil || len(infos) != 1 {
		t.Errorf("a new environment of the name knows %v, %v", infos, err)
	}
	if got, err := v.Names(ctx, "shop", "production"); err != nil || len(got) != 1 {
		t.Errorf("the other environment: %v, %v", got, err)
	}
}

package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// at makes v believe that it is later.
func at(v *Vault, d time.Duration) {
	later := time.Now().Add(d)
	v.now = func() time.Time { return later }
}

func versions(t *testing.T, v *Vault, name string) (out []uint64) {
	t.Helper()
	infos, err := v.History(t.Context(), ref(t, name), yes)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		out = append(out, i.Version)
	}
	return out
}

func TestHistoryRollback(t *testing.T) {
	v := newHome(t).create(Options{})
	for i := range 3 {
		put(t, v, "TOKEN", fmt.Sprint("value-", i+1))
	}
	info, err := v.Rollback(t.Context(), ref(t, "TOKEN"), 1, yes)
	if err != nil || info.Version != 4 || get(t, v, "TOKEN") != "value-1" {
		t.Errorf("Rollback = %+v, %v", info, err)
	}
	if got := versions(t, v, "TOKEN"); !slices.Equal(got, []uint64{4, 3, 2, 1}) {
		t.Errorf("History = %v", got)
	}
	for _, to := range []uint64{0, 4, 9} {
		if _, err := v.Rollback(t.Context(), ref(t, "TOKEN"), to, yes); !errors.Is(err, ErrNotFound) {
			t.Errorf("roll back to %d: %v", to, err)
		}
	}
}

func TestDeleteRestore(t *testing.T) {
	v := newHome(t).create(Options{})
	first := put(t, v, "TOKEN", "value-1")
	if _, err := v.Restore(t.Context(), ref(t, "TOKEN"), yes); !errors.Is(err, ErrExists) {
		t.Errorf("restore what is there: %v", err)
	}
	if err := v.Delete(t.Context(), ref(t, "TOKEN")); err != nil {
		t.Fatal(err)
	}
	if err := v.Delete(t.Context(), ref(t, "TOKEN")); !errors.Is(err, ErrNotFound) {
		t.Errorf("delete twice: %v", err)
	}
	info, err := v.Restore(t.Context(), ref(t, "TOKEN"), yes)
	if err != nil || info.Version != 3 || !info.Created.Equal(first.Created) || get(t, v, "TOKEN") != "value-1" {
		t.Errorf("Restore = %+v, %v", info, err)
	}
	// A deleted secret may be made anew, even by who asks for a new one.
	if err := v.Delete(t.Context(), ref(t, "TOKEN")); err != nil {
		t.Fatal(err)
	}
	info, err = v.Put(t.Context(), ref(t, "TOKEN"), text("value-2"), PutOptions{Mode: CreateOnly})
	if err != nil || info.Version != 5 {
		t.Errorf("create after delete = %+v, %v", info, err)
	}
}

func TestRename(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "OLD", "value-1")
	put(t, v, "TAKEN", "value-2")
	if _, err := v.Rename(t.Context(), ref(t, "OLD"), ref(t, "TAKEN"), yes); !errors.Is(err, ErrExists) {
		t.Error(err)
	}
	info, err := v.Rename(t.Context(), ref(t, "OLD"), ref(t, "web/staging/NEW"), yes)
	if err != nil || info.From != "shop/development/OLD" || info.Version != 1 {
		t.Errorf("Rename = %+v, %v", info, err)
	}
	v.Close()
	v = h.unlock()
	if got := get(t, v, "web/staging/NEW"); got != "value-1" {
		t.Error(got)
	}
	if _, err := v.Info(t.Context(), ref(t, "OLD"), yes); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestTags(t *testing.T) {
	v := newHome(t).create(Options{})
	p := PutOptions{Tags: []string{"b", "a", "b"}, Plain: true, Strength: 12}
	info, err := v.Put(t.Context(), ref(t, "TOKEN"), text("value-1"), p)
	if err != nil || !slices.Equal(info.Tags, []string{"a", "b"}) || !info.Plain || !info.Weak {
		t.Fatalf("Put = %+v, %v", info, err)
	}
	// Without tags of its own, an update keeps them, having asked.
	asked := 0
	info, err = v.Put(t.Context(), ref(t, "TOKEN"), text("value-2"), PutOptions{Before: func([]Head) error { asked++; return nil }})
	if err != nil || asked != 1 || !slices.Equal(info.Tags, []string{"a", "b"}) || info.Plain || info.Weak {
		t.Errorf("Put = %+v, %v, asked %d times", info, err, asked)
	}
	info, err = v.Tag(t.Context(), ref(t, "TOKEN"), []string{}, yes)
	if err != nil || len(info.Tags) != 0 || get(t, v, "TOKEN") != "value-2" {
		t.Errorf("Tag = %+v, %v", info, err)
	}
	if _, err := v.Tag(t.Context(), ref(t, "TOKEN"), []string{"a b"}, yes); !errors.Is(err, ErrValue) {
		t.Error(err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	v := newHome(t).create(Options{})
	for i := range keepVersions + 5 {
		put(t, v, "MANY", fmt.Sprint("value-", i))
	}
	if got := versions(t, v, "MANY"); len(got) != keepVersions || got[0] != keepVersions+5 {
		t.Errorf("kept %v", got)
	}
	put(t, v, "OLD", "value-1")
	put(t, v, "OLD", "value-2")
	at(v, keepFor-time.Hour)
	put(t, v, "OLD", "value-3")
	if got := versions(t, v, "OLD"); len(got) != 3 {
		t.Errorf("kept %v", got)
	}
	at(v, keepFor+time.Hour)
	put(t, v, "OLD", "value-4") // 1 was replaced longer ago than that, 2 just an hour ago
	if got := versions(t, v, "OLD"); !slices.Equal(got, []uint64{4, 3, 2}) {
		t.Errorf("kept %v", got)
	}
	if r, err := v.Verify(t.Context(), yes); err != nil || r.Records != r.Readable || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestExpire(t *testing.T) {
	h := newHome(t)
	v := h.create(Options{})
	put(t, v, "GONE", "value-1")
	put(t, v, "STAYS", "value-2")
	if err := v.Delete(t.Context(), ref(t, "GONE")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{{keepDeleted - time.Hour, 0}, {keepDeleted + time.Hour, 1}, {keepDeleted + 2*time.Hour, 0}} {
		at(v, c.after)
		if n, err := v.Expire(t.Context()); err != nil || n != c.want {
			t.Errorf("after %v: Expire = %d, %v, want %d", c.after, n, err, c.want)
		}
	}
	v.Close()
	v = h.unlock()
	if _, err := v.History(t.Context(), ref(t, "GONE"), yes); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if get(t, v, "STAYS") != "value-2" {
		t.Error("lost what stays")
	}
}

func TestPutModes(t *testing.T) {
	v := newHome(t).create(Options{})
	do := func(p PutOptions) error {
		_, err := v.Put(context.Background(), ref(t, "TOKEN"), text("value"), p)
		return err
	}
	for i, step := range []struct {
		p    PutOptions
		want error
	}{
		{PutOptions{Mode: UpdateOnly}, ErrNotFound},
		{PutOptions{IfVersion: 1}, ErrConflict},
		{PutOptions{Mode: CreateOnly}, nil},
		{PutOptions{Mode: CreateOnly}, ErrExists},
		{PutOptions{IfVersion: 2}, ErrConflict},
		{PutOptions{IfVersion: 1}, nil},
		{PutOptions{IfVersion: 1}, ErrConflict},
		{PutOptions{Mode: UpdateOnly}, nil},
	} {
		if err := do(step.p); !errors.Is(err, step.want) {
			t.Errorf("step %d: %v, want %v", i, err, step.want)
		}
	}
	for _, bad := range []string{"", string(make([]byte, secret.MaxValue+1))} {
		if _, err := v.Put(t.Context(), ref(t, "TOKEN"), text(bad), PutOptions{}); !errors.Is(err, ErrValue) {
			t.Errorf("put %d bytes: %v", len(bad), err)
		}
	}
	if _, err := v.Put(t.Context(), secret.Ref{App: "A", Env: "e", Name: "N"}, text("x"), PutOptions{}); !errors.Is(err, secret.ErrRef) {
		t.Error(err)
	}
	long := string(make([]byte, secret.MaxValue))
	put(t, v, "LONG", long)
	if get(t, v, "LONG") != long {
		t.Error("the longest value did not come back")
	}
}

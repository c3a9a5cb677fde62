package providertest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// three is what most of the faults below happen to.
func (r runner) three(t *testing.T) []Secret {
	t.Helper()
	s := []Secret{
		{Name: r.name("ONE"), Value: []byte("value one")},
		{Name: r.name("TWO"), Value: []byte("value two")},
		{Name: r.name("THREE"), Value: []byte("value three")},
	}
	r.s.Fill(t, s)
	return s
}

func (r runner) changeToken(t *testing.T) {
	s := r.three(t)
	p := r.configured(t)
	before := tokens(list(t, p))
	if again := tokens(list(t, p)); !equal(before, again) {
		t.Errorf("change tokens moved without a change: %v, %v", before, again)
	}
	for name, token := range before {
		if token == "" {
			t.Skipf("%s has no change token: the host compares values instead", name)
		}
	}
	time.Sleep(1100 * time.Millisecond) // some systems date changes to the second
	s[1].Value = []byte("a new value two")
	r.s.Fill(t, s)
	if after := tokens(list(t, r.configured(t))); after[s[1].Name] == before[s[1].Name] {
		t.Errorf("change token of a changed value stayed %q", after[s[1].Name])
	}
}

func tokens(entries []provider.Entry) map[string]string {
	m := map[string]string{}
	for _, e := range entries {
		m[e.Name] = e.ChangeToken
	}
	return m
}

func equal(a, b map[string]string) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

func (r runner) listReadsNothing(t *testing.T) {
	c, ok := r.s.(Counter)
	if !ok || r.traits.ListReads {
		t.Skip("the service does not count reads, or has no listing without values")
	}
	r.three(t)
	p := r.configured(t)
	before := c.Reads()
	list(t, p)
	if n := c.Reads() - before; n != 0 {
		t.Errorf("listing read %d values", n)
	}
}

func (r runner) deleted(t *testing.T) {
	d, ok := r.s.(Deleter)
	if !ok {
		t.Skip("the service cannot delete")
	}
	s := r.three(t)
	p := r.configured(t)
	entries := list(t, p)
	d.Delete("", s[1].Name)
	r.oneFails(t, p, entries, s[1].Name, provider.NotFound)
}

func (r runner) denied(t *testing.T) {
	d, ok := r.s.(Denier)
	if !ok {
		t.Skip("the service cannot deny a single secret")
	}
	s := r.three(t)
	p := r.configured(t)
	entries := list(t, p)
	d.Deny("", s[1].Name)
	r.oneFails(t, p, entries, s[1].Name, provider.Denied)
}

// oneFails fetches everything and wants one error and the rest intact.
func (r runner) oneFails(t *testing.T, p provider.Provider, entries []provider.Entry, name string, want provider.Code) {
	t.Helper()
	refs, names := []string{}, map[string]string{}
	for _, e := range entries {
		refs, names[e.Ref] = append(refs, e.Ref), e.Name
	}
	for ref, res := range fetch(t.Context(), p, refs) {
		switch {
		case names[ref] == name && provider.CodeOf(res.Err) != want:
			t.Errorf("%s: %v, want %v", name, res.Err, want)
		case names[ref] != name && res.Err != nil:
			t.Errorf("%s: %v, want its value", names[ref], res.Err)
		}
	}
}

func (r runner) throttled(t *testing.T) {
	th, ok := r.s.(Throttler)
	if !ok {
		t.Skip("the service does not throttle")
	}
	for _, after := range []time.Duration{0, 2 * time.Second} {
		s := r.three(t)
		p := r.configured(t)
		ref := refOf(t, p, s[0].Name)
		th.Throttle(1, after)
		var waited time.Duration
		var item provider.Item
		err := provider.Retry{Sleep: func(_ context.Context, d time.Duration) error { waited += d; return nil }}.
			Do(t.Context(), func(ctx context.Context) error {
				res := fetch(ctx, p, []string{ref})[ref]
				item = res.Item
				return res.Err
			})
		if err != nil || !bytes.Equal(item.Value, s[0].Value) {
			t.Errorf("Retry-After %v: %v", after, err)
		}
		if waited < after {
			t.Errorf("waited %v, the service asked for %v", waited, after)
		}
	}
}

func (r runner) expired(t *testing.T) {
	e, ok := r.s.(Expirer)
	if !ok {
		t.Skip("the service's credentials do not expire")
	}
	s := r.three(t)
	p := r.configured(t)
	ref := refOf(t, p, s[2].Name)
	e.Expire(0)
	res := fetch(t.Context(), p, []string{ref})[ref]
	if res.Err == nil && bytes.Equal(res.Item.Value, s[2].Value) {
		return // it logged in again by itself
	}
	if provider.CodeOf(res.Err) != provider.Unauthenticated {
		t.Errorf("expired credentials: %v, want %v", res.Err, provider.Unauthenticated)
	}
}

func (r runner) cancelled(t *testing.T) {
	s := r.three(t)
	p := r.configured(t)
	ref := refOf(t, p, s[0].Name)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	begun := time.Now()
	res := fetch(ctx, p, []string{ref})[ref]
	if time.Since(begun) > 5*time.Second {
		t.Error("a cancelled fetch went on")
	}
	if provider.Retryable(res.Err) {
		t.Errorf("cancelled: %v is worth a retry", res.Err)
	}
}

func (r runner) unknown(t *testing.T) {
	r.three(t)
	p := r.configured(t)
	_, err := p.Fetch(t.Context(), "no/such-reference")
	if c := provider.CodeOf(err); c != provider.NotFound && c != provider.Invalid && c != provider.Denied {
		t.Errorf("unknown reference: %v, want not found", err)
	}
}

func refOf(t *testing.T, p provider.Provider, name string) string {
	t.Helper()
	for _, e := range list(t, p) {
		if e.Name == name {
			return e.Ref
		}
	}
	t.Fatalf("%s is not listed", name)
	return ""
}

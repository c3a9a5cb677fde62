// Package providertest is the suite that every provider passes. An author
// writes a Service (usually an httptest server that speaks the other system's
// API) and calls Run; the suite fills it, disturbs it and compares.
package providertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// A Secret is what the suite puts into a service.
type Secret struct {
	Path, Name string
	Value      []byte
}

// A Service is a system that the provider reads: a fake one, or a real one.
type Service interface {
	// Fill replaces everything that the service holds.
	Fill(t testing.TB, secrets []Secret)
	// Provider returns a new provider with the configuration that reaches the
	// service.
	Provider(t testing.TB) (provider.Provider, provider.Config)
}

// The services that can do more say so by these interfaces; the suite skips by
// name what a service cannot do, and Traits says why.
type (
	// A Throttler answers the next n calls with "slow down".
	Throttler interface {
		Throttle(n int, retryAfter time.Duration)
	}
	// A Denier refuses to hand out one secret.
	Denier interface{ Deny(path, name string) }
	// A Deleter deletes one secret.
	Deleter interface{ Delete(path, name string) }
	// An Expirer makes the credentials invalid after n more calls.
	Expirer interface{ Expire(after int) }
	// A Counter counts the values that were read.
	Counter interface{ Reads() int }
)

// Traits says what the other system cannot store.
type Traits struct {
	NoFolders bool // names are unique in the account
	NoBinary  bool // values are UTF-8 text without NUL
	NoEmpty   bool // a value has at least one byte
	MaxValue  int  // in bytes; 0: provider.MaxValue
	// Name turns any name into one that the system takes; nil: all are taken.
	Name func(string) string
	// ListReads says that the system has no listing without values.
	ListReads bool
}

// Run holds the provider of s against everything that the host relies on.
func Run(t *testing.T, s Service, traits Traits) {
	if traits.MaxValue == 0 {
		traits.MaxValue = provider.MaxValue
	}
	r := runner{s, traits}
	for name, test := range map[string]func(*testing.T){
		"Info": r.info, "Counts": r.counts, "Values": r.values, "Names": r.names, "Folders": r.folders,
		"ChangeToken": r.changeToken, "ListReadsNothing": r.listReadsNothing, "Deleted": r.deleted,
		"Denied": r.denied, "Throttled": r.throttled, "Expired": r.expired, "Cancelled": r.cancelled, "Unknown": r.unknown,
	} {
		t.Run(name, test)
	}
}

type runner struct {
	s      Service
	traits Traits
}

func (r runner) info(t *testing.T) {
	r.three(t)
	p, c := r.s.Provider(t)
	i := p.Info()
	if i.Name == "" || i.Version == "" || i.Description == "" {
		t.Errorf("Info is not complete: %+v", i)
	}
	a, err := p.Configure(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if a.Name == "" {
		t.Error("Configure does not say whose secrets these are")
	}
}

func (r runner) counts(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 250} {
		want := make([]Secret, n)
		for i := range want {
			want[i] = Secret{Name: r.name(fmt.Sprintf("KEY_%03d", i)), Value: fmt.Appendf(nil, "value-%03d", i)}
		}
		r.same(t, want)
	}
}

func (r runner) values(t *testing.T) {
	want := []Secret{
		{Name: "SPACES", Value: []byte("  leading and trailing  ")},
		{Name: "LINES", Value: []byte("-----BEGIN KEY-----\nabc\n\ndef\n-----END KEY-----\n")},
		{Name: "CRLF", Value: []byte("a\r\nb\r\n")},
		{Name: "QUOTES", Value: []byte(`{"a":"b\"c","n":1.10}`)},
		{Name: "UNICODE", Value: []byte("pässwörd ☃ 𝄞")},
		{Name: "K64", Value: bytes.Repeat([]byte("x"), min(64<<10, r.traits.MaxValue))},
		{Name: "LARGEST", Value: bytes.Repeat([]byte("y"), r.traits.MaxValue)},
	}
	if !r.traits.NoEmpty {
		want = append(want, Secret{Name: "EMPTY", Value: []byte{}})
	}
	if !r.traits.NoBinary {
		want = append(want,
			Secret{Name: "BYTES", Value: []byte{0xff, 0xfe, 0x80, 0, 'a'}})
	}
	for i := range want {
		want[i].Name = r.name(want[i].Name)
	}
	r.same(t, want)
}

func (r runner) names(t *testing.T) {
	var want []Secret
	for i, n := range []string{"lower-case", "with.dots", "with_underscore", "UPPER", "a", "x" + strings.Repeat("y", 60)} {
		want = append(want, Secret{Name: r.name(n), Value: fmt.Appendf(nil, "value %d", i)})
	}
	r.same(t, want)
}

func (r runner) folders(t *testing.T) {
	if r.traits.NoFolders {
		t.Skip("the system has no folders")
	}
	r.same(t, []Secret{
		{Name: r.name("SAME"), Value: []byte("at the top")},
		{Path: "one", Name: r.name("SAME"), Value: []byte("in one")},
		{Path: "two", Name: r.name("SAME"), Value: []byte("in two")},
		{Path: "two/deep", Name: r.name("SAME"), Value: []byte("deep")},
	})
}

func (r runner) name(n string) string {
	if r.traits.Name != nil {
		return r.traits.Name(n)
	}
	return n
}

// same fills the service and compares what the provider lists and fetches.
func (r runner) same(t *testing.T, want []Secret) {
	t.Helper()
	r.s.Fill(t, want)
	p := r.configured(t)
	entries := list(t, p)
	if len(entries) != len(want) {
		t.Errorf("%d entries, want %d", len(entries), len(want))
	}
	refs := make([]string, 0, len(entries))
	at := map[string]string{}
	for _, e := range entries {
		if _, twice := at[e.Ref]; twice {
			t.Errorf("reference %q is listed twice", e.Ref)
		}
		refs, at[e.Ref] = append(refs, e.Ref), key(e.Path, e.Name)
	}
	values := map[string][]byte{}
	for ref, res := range fetch(t.Context(), p, refs) {
		if res.Err != nil {
			t.Errorf("fetch %s: %v", at[ref], res.Err)
			continue
		}
		values[at[ref]] = res.Item.Value
	}
	for _, w := range want {
		if got, ok := values[key(w.Path, w.Name)]; !ok || !bytes.Equal(got, w.Value) {
			t.Errorf("%s: got %d bytes (there: %v), want %d", key(w.Path, w.Name), len(got), ok, len(w.Value))
		}
	}
}

func key(path, name string) string { return strings.Trim(path, "/") + "/" + name }

func (r runner) configured(t *testing.T) provider.Provider {
	t.Helper()
	p, c := r.s.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return p
}

func list(t *testing.T, p provider.Provider) []provider.Entry {
	t.Helper()
	var all []provider.Entry
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// fetch reads refs the way that serve does.
func fetch(ctx context.Context, p provider.Provider, refs []string) map[string]provider.Result {
	got := map[string]provider.Result{}
	b, ok := p.(provider.BatchFetcher)
	if !ok {
		for _, ref := range refs {
			i, err := p.Fetch(ctx, ref)
			got[ref] = provider.Result{Ref: ref, Item: i, Err: err}
		}
		return got
	}
	for len(refs) > 0 {
		n := min(len(refs), provider.MaxBatch)
		for res := range b.FetchBatch(ctx, refs[:n]) {
			got[res.Ref] = res
		}
		refs = refs[n:]
	}
	return got
}

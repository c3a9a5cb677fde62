// Package provider is what an author of a provider imports: a Provider lists
// the secrets of another system and fetches their values, nothing else. It
// never sees the vault. The package serve runs one as a process of its own;
// providertest holds the suite that every provider passes.
package provider

import (
	"context"
	"iter"
	"time"
)

// Limits of the protocol, in bytes and entries.
const (
	MaxRef   = 2048    // of Entry.Ref
	MaxValue = 1 << 20 // of Item.Value
	MaxBatch = 100     // references handed to FetchBatch at once
)

// Info says what a provider is, before it has credentials.
type Info struct {
	Name        string // slug; also the scheme of `ov import NAME://...`
	Version     string
	Description string
	Settings    []Setting
	Environment []string // names of the variables it reads; nothing else is passed on to it
	Doors       []string // ways to authenticate, in the order they are tried
}

// A Setting is one `key=value` that Configure takes.
type Setting struct {
	Name, Description, Default string
	Required                   bool
}

// Config is what the person asked for. Credentials come from the environment
// and the files that the provider's own system uses, never from settings.
type Config struct{ Settings map[string]string }

// Account tells the person whose secrets will be read, and how.
type Account struct {
	Name  string   // for people, never a credential
	Door  string   // the way in that worked
	Notes []string // limits worth knowing before a large import
	Cost  Cost     // how many calls of its service this makes
}

// A Cost says how far one call of the service goes, where its author knows: then
// a person is told how many calls an import made, or would make. 0: not known.
type Cost struct {
	SignIn int // calls that Configure made
	List   int // entries a listing call
	Read   int // values a read call
}

// Known reports whether calls can be counted.
func (c Cost) Known() bool { return c.List > 0 && c.Read > 0 }

// Calls is how many calls it takes to sign in, to list so many entries and to read
// so many of their values, when nothing has to be tried again.
func (c Cost) Calls(entries, values int) (signIn, list, read int) {
	if !c.Known() {
		return 0, 0, 0
	}
	up := func(n, by int) int { return (n + by - 1) / by }
	return c.SignIn, max(1, up(entries, c.List)), up(values, c.Read)
}

// Query narrows a listing. The zero Query asks for everything.
type Query struct {
	Path string            // only entries below it
	Tags map[string]string // only entries that carry all of them
}

// An Entry is the metadata of one secret.
type Entry struct {
	Ref         string            // what Fetch takes; unique within the account
	Name        string            // last part of the name, as the service spells it
	Path        string            // folder, without the name
	Version     string            // the service's own
	ChangeToken string            // equal tokens: the value has not changed
	Labels      map[string]string // tags
	Owner       string            // a service that rotates the value by itself
	Updated     time.Time
}

// An Item is one value with the version it was read at.
type Item struct {
	Value       []byte // the caller owns it
	Binary      bool   // the service stores bytes, not text
	Version     string
	ChangeToken string
}

// A Provider reads secrets from one system. After Configure its methods are
// called concurrently.
type Provider interface {
	Info() Info
	// Configure finds credentials and checks that they work. When none is found
	// the error is an *Error of code Unauthenticated that names the doors tried.
	Configure(ctx context.Context, c Config) (Account, error)
	// List yields metadata and never reads a value. It ends at the first error
	// that it yields.
	List(ctx context.Context, q Query) iter.Seq2[Entry, error]
	// Fetch reads one value. Its errors are *Error.
	Fetch(ctx context.Context, ref string) (Item, error)
}

// A BatchFetcher reads several values in one call of its service. Results come
// in any order, one for each reference.
type BatchFetcher interface {
	FetchBatch(ctx context.Context, refs []string) iter.Seq[Result]
}

// A Result is what became of one reference of a batch.
type Result struct {
	Ref  string
	Item Item
	Err  error
}

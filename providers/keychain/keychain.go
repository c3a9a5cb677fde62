// Package keychain reads a desktop's keyring through the Secret Service, the
// D-Bus interface of GNOME Keyring, KWallet and KeePassXC
// (https://specifications.freedesktop.org/secret-service-spec/latest/).
package keychain

import (
	"context"
	"iter"
	"path"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/godbus/dbus/v5"

	"github.com/opaquevault/ov/sdk/provider"
)

// ownService is the attribute `service` of the master passwords that ov itself
// keeps in a keyring: a vault must never come to hold the key to itself.
const ownService = "ov"

// Provider reads the collections of one keyring.
type Provider struct {
	keyring     *keyring
	collections []collection
	flat        bool   // one collection was asked for: it is no folder
	attribute   string // whose value is an entry's name; "": the label
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "keychain", Version: "1", Description: "the desktop's keyring (Secret Service: GNOME Keyring, KWallet, KeePassXC)",
		Settings: []provider.Setting{
			{Name: "collection", Description: "label of one collection, as Login; without it: all that are unlocked"},
			{Name: "name", Description: "attribute whose value is an entry's name, as username; without it, or where it is missing: the label"},
		},
		Environment: []string{"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"},
		Doors:       []string{"the session bus: DBUS_SESSION_BUS_ADDRESS, else XDG_RUNTIME_DIR/bus"}}
}

// Configure finds the keyring. A locked collection that was asked for by name
// is unlocked: the keyring asks the person itself.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	k, err := open(ctx)
	if err != nil {
		return provider.Account{}, err
	}
	p.keyring, p.attribute = k, c.Settings["name"]
	all, err := k.collections(ctx)
	if err != nil {
		return provider.Account{}, err
	}
	account := provider.Account{Name: "keyring", Door: "session bus"}
	want := c.Settings["collection"]
	for _, col := range all {
		switch {
		case want == "" && col.locked:
			account.Notes = append(account.Notes, "collection "+strconv.Quote(col.label)+" is locked and left out; name it to unlock it")
			continue
		case want != "" && col.label != want:
			continue
		case col.locked:
			if err := k.unlock(ctx, col.at); err != nil {
				return provider.Account{}, err
			}
		}
		p.collections = append(p.collections, col)
	}
	if want != "" {
		account.Name, p.flat = want, true
		if len(p.collections) == 0 {
			return provider.Account{}, provider.Errorf(provider.NotFound, "the keyring has no collection %q; it has %v", want, labels(all))
		}
	}
	return account, nil
}

func labels(all []collection) []string {
	var out []string
	for _, c := range all {
		if c.label != "" {
			out = append(out, c.label)
		}
	}
	slices.Sort(out)
	return out
}

// List yields the items: their attributes are the labels that --tag takes.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		for _, c := range p.collections {
			if q.Path != "" && (p.flat || q.Path != c.label) {
				continue
			}
			items, err := p.keyring.items(ctx, c.at)
			if err != nil {
				yield(provider.Entry{}, err)
				return
			}
			for _, at := range items {
				e, ok, err := p.entry(ctx, at)
				if err != nil {
					yield(provider.Entry{}, err)
					return
				}
				if !p.flat {
					e.Path = c.label
				}
				if ok && carries(e.Labels, q.Tags) && !yield(e, nil) {
					return
				}
			}
		}
	}
}

// entry reads the metadata of one item; not ok: it has gone meanwhile, or is
// ov's own.
func (p *Provider) entry(ctx context.Context, at dbus.ObjectPath) (provider.Entry, bool, error) {
	it, err := p.keyring.item(ctx, at)
	if provider.CodeOf(err) == provider.NotFound {
		return provider.Entry{}, false, nil
	}
	if err != nil || it.attributes["service"] == ownService {
		return provider.Entry{}, false, err
	}
	e := provider.Entry{Ref: string(at), Name: it.label, Labels: it.attributes,
		Updated: it.modified, ChangeToken: token(at, it.modified, time.Now())}
	if name := it.attributes[p.attribute]; name != "" {
		e.Name = name
	}
	if e.Name == "" {
		e.Name = path.Base(string(at))
	}
	return e, true, nil
}

// token changes with the value. The keyring dates a change to the second: what
// was changed just now may change again under the same date, and has no token.
func token(at dbus.ObjectPath, modified, now time.Time) string {
	if age := now.Sub(modified); age < 2*time.Second {
		return ""
	}
	return string(at) + "@" + strconv.FormatInt(modified.Unix(), 10)
}

func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Fetch reads one value.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	at := dbus.ObjectPath(ref)
	if !at.IsValid() {
		return provider.Item{}, provider.Errorf(provider.NotFound, "%q is no item of a keyring", ref)
	}
	it, err := p.keyring.item(ctx, at)
	if err != nil {
		return provider.Item{}, err
	}
	if it.attributes["service"] == ownService {
		return provider.Item{}, provider.Errorf(provider.Denied, "%s: a master password of ov is not imported", ref)
	}
	value, err := p.keyring.secret(ctx, at)
	if err != nil {
		return provider.Item{}, err
	}
	if len(value) > provider.MaxValue {
		return provider.Item{}, provider.Errorf(provider.TooLarge, "%s: over %d bytes", ref, provider.MaxValue)
	}
	return provider.Item{Value: value, Binary: !utf8.Valid(value), ChangeToken: token(at, it.modified, time.Now())}, nil
}

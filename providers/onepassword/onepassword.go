// Package onepassword reads items from 1Password: through a Connect server, or
// through the `op` command with a service account or a signed-in person.
//
// An item holds several fields, and a listing shows none of them. So an entry
// is an item, and its value is the one field that has one, or a flat JSON
// object of all of them, which the host takes apart.
//
// API: https://developer.1password.com/docs/connect/api-reference
package onepassword

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// A Provider reads one account, or one vault of it.
type Provider struct {
	door   door
	vault  string
	getenv func(string) string
}

// door is one way to reach 1Password.
type door interface {
	whose(ctx context.Context) (string, error)
	vaults(ctx context.Context) ([]vault, error)
	items(ctx context.Context, vault string) ([]item, error)
	item(ctx context.Context, vault, id string) (item, error)
	file(ctx context.Context, vault, item string, f file) ([]byte, error)
}

type vault struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// item is what both doors answer; a listing leaves Fields and Files empty.
type item struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Version  json.Number `json:"version"`
	Category string      `json:"category"`
	Tags     []string    `json:"tags"`
	Updated  time.Time   `json:"-"`
	State    string      `json:"state"`
	Vault    vault       `json:"vault"`
	Fields   []field     `json:"fields"`
	Files    []file      `json:"files"`
}

type field struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Type    string `json:"type"`
	Purpose string `json:"purpose"`
	Value   string `json:"value"`
	Section *struct {
		ID    string `json:"id"`
		Label string `json:"label"`
	} `json:"section,omitempty"`
}

type file struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int64  `json:"size"`
	Path string `json:"content_path"`
}

// New returns a provider that takes its credentials from the environment.
func New() *Provider { return &Provider{getenv: os.Getenv} }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{
		Name: "1password", Version: "1", Description: "1Password, through Connect or the op command",
		Settings: []provider.Setting{{Name: "vault", Description: "name or id of one vault; all when not set"}},
		Environment: []string{"OP_CONNECT_HOST", "OP_CONNECT_TOKEN", "OP_SERVICE_ACCOUNT_TOKEN", "OP_ACCOUNT",
			"XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "OP_BIOMETRIC_UNLOCK_ENABLED"},
		Doors: []string{"Connect (OP_CONNECT_HOST, OP_CONNECT_TOKEN)",
			"op command with a service account (OP_SERVICE_ACCOUNT_TOKEN)", "op command, signed in"},
	}
}

// Configure takes Connect where its variables are set, else the op command.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	p.vault = c.Settings["vault"]
	name, err := p.open()
	if err != nil {
		return provider.Account{}, err
	}
	whose, err := p.door.whose(ctx)
	if err != nil {
		return provider.Account{}, err
	}
	return provider.Account{Name: whose, Door: name, Notes: []string{
		"1Password counts every item read; small plans allow 1,000 reads an hour",
	}}, nil
}

func (p *Provider) open() (name string, err error) {
	if host, token := p.getenv("OP_CONNECT_HOST"), p.getenv("OP_CONNECT_TOKEN"); host != "" && token != "" {
		p.door, err = newConnect(host, token)
		return "Connect", err
	}
	cli, err := newCommand(p.getenv)
	if err != nil {
		return "", provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(p.Info().Doors, ", "))
	}
	p.door = cli
	if p.getenv("OP_SERVICE_ACCOUNT_TOKEN") != "" {
		return "op command with a service account", nil
	}
	return "op command, signed in", nil
}

// List yields the items of each vault. A vault is a folder.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		vaults, err := p.wanted(ctx, q.Path)
		if err != nil {
			yield(provider.Entry{}, err)
			return
		}
		for _, v := range vaults {
			items, err := p.door.items(ctx, v.ID)
			if err != nil {
				yield(provider.Entry{}, err)
				return
			}
			for _, i := range items {
				if i.State == "ARCHIVED" || i.State == "DELETED" || !tagged(i, q.Tags) {
					continue
				}
				if !yield(entry(v, i, len(vaults) == 1 && p.vault != ""), nil) {
					return
				}
			}
		}
	}
}

// wanted returns the vaults to read: the one that was set, else all below path.
func (p *Provider) wanted(ctx context.Context, path string) ([]vault, error) {
	all, err := p.door.vaults(ctx)
	if err != nil {
		return nil, err
	}
	want := p.vault
	if want == "" {
		want = strings.Trim(path, "/")
	}
	if want == "" {
		return all, nil
	}
	for _, v := range all {
		if v.ID == want || v.Name == want {
			return []vault{v}, nil
		}
	}
	return nil, provider.Errorf(provider.NotFound, "vault %q: not there, or not granted to these credentials", want)
}

func tagged(i item, tags map[string]string) bool {
	for want := range tags {
		found := false
		for _, t := range i.Tags {
			found = found || t == want
		}
		if !found {
			return false
		}
	}
	return true
}

func entry(v vault, i item, single bool) provider.Entry {
	e := provider.Entry{
		Ref: v.ID + "/" + i.ID, Name: i.Title, Path: v.Name, Version: i.Version.String(),
		ChangeToken: i.Version.String() + "@" + i.Updated.UTC().Format(time.RFC3339), Updated: i.Updated,
		Labels: map[string]string{"category": i.Category},
	}
	if single { // the vault was asked for: naming it again says nothing
		e.Path = ""
	}
	for _, t := range i.Tags {
		e.Labels[t] = ""
	}
	return e
}

// Fetch reads one item.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	v, id, ok := strings.Cut(ref, "/")
	if !ok || v == "" || id == "" || strings.ContainsAny(id, "/?#") {
		return provider.Item{}, provider.Errorf(provider.Invalid, "reference %q", ref)
	}
	i, err := p.door.item(ctx, v, id)
	if err != nil {
		return provider.Item{}, err
	}
	out := provider.Item{Version: i.Version.String(), ChangeToken: i.Version.String() + "@" + i.Updated.UTC().Format(time.RFC3339)}
	parts := values(i)
	switch {
	case len(parts) == 0 && len(i.Files) == 1:
		out.Binary = true
		out.Value, err = p.door.file(ctx, v, id, i.Files[0])
	case len(parts) == 0 && len(i.Files) > 1:
		err = provider.Errorf(provider.Invalid, "item %q holds %d files and no field", i.Title, len(i.Files))
	case len(parts) == 0:
		out.Value = []byte{}
	case len(parts) == 1:
		out.Value = []byte(parts[0].value)
	default:
		out.Value, err = object(parts)
	}
	return out, err
}

type part struct{ key, value string }

// values returns the fields that hold something, under names that do not
// repeat: the label, with its section where labels collide.
func values(i item) []part {
	var parts []part
	count := map[string]int{}
	for _, f := range i.Fields {
		if f.Value != "" {
			count[label(f)]++
		}
	}
	for _, f := range i.Fields {
		if f.Value == "" {
			continue
		}
		key := label(f)
		if count[key] > 1 && f.Section != nil && f.Section.Label != "" {
			key = f.Section.Label + "_" + key
		} else if count[key] > 1 {
			key = f.ID
		}
		parts = append(parts, part{key, f.Value})
	}
	return parts
}

func label(f field) string {
	if f.Label != "" {
		return f.Label
	}
	return f.ID
}

// object keeps the order of the fields, as a person sees them.
func object(parts []part) ([]byte, error) {
	b := []byte{'{'}
	for n, p := range parts {
		k, err := json.Marshal(p.key)
		if err != nil {
			return nil, provider.Errorf(provider.Invalid, "a field's name cannot be encoded")
		}
		v, err := json.Marshal(p.value)
		if err != nil {
			return nil, provider.Errorf(provider.Invalid, "field %q cannot be encoded", p.key)
		}
		if n > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, "%s:%s", k, v)
	}
	return append(b, '}'), nil
}

// Package hashivault reads the KV engines of HashiCorp Vault and of OpenBao
// over their HTTP interface.
package hashivault

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// Provider reads one KV mount.
type Provider struct {
	getenv func(string) string // nil: os.Getenv
	api    *rest.Client
	mount  string
	v2     bool
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "vault", Version: "1", Description: "HashiCorp Vault and OpenBao, KV version 1 and 2",
		Settings: []provider.Setting{
			{Name: "mount", Description: "path of the KV engine", Default: "secret"},
			{Name: "address", Description: "address of the server; VAULT_ADDR or BAO_ADDR when not set"},
			{Name: "namespace", Description: "namespace; VAULT_NAMESPACE when not set"},
			{Name: "auth", Description: "token, approle, kubernetes, jwt or userpass; the first that has what it needs when not set"},
			{Name: "auth_mount", Description: "path of the auth method when it is not its name"},
			{Name: "role", Description: "role for kubernetes and jwt"},
		},
		Environment: []string{"VAULT_ADDR", "BAO_ADDR", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_NAMESPACE", "VAULT_ROLE_ID", "VAULT_SECRET_ID",
			"VAULT_JWT", "VAULT_USERNAME", "VAULT_PASSWORD"},
		Doors: doors()}
}

func (p *Provider) env(names ...string) string {
	get := p.getenv
	if get == nil {
		get = os.Getenv
	}
	for _, n := range names {
		if v := get(n); v != "" {
			return v
		}
	}
	return ""
}

// Configure signs in and finds out which version of KV the mount has.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	s := c.Settings
	address := s["address"]
	if address == "" {
		address = p.env("VAULT_ADDR", "BAO_ADDR")
	}
	if address == "" {
		return provider.Account{}, provider.Errorf(provider.Invalid, "no address: give address=..., or set VAULT_ADDR")
	}
	api, err := rest.New(address)
	if err != nil {
		return provider.Account{}, err
	}
	namespace := s["namespace"]
	if namespace == "" {
		namespace = p.env("VAULT_NAMESPACE")
	}
	plain := func(token string) *rest.Client {
		return api.With(func(r *http.Request) error {
			r.Header.Set("X-Vault-Request", "true")
			if namespace != "" {
				r.Header.Set("X-Vault-Namespace", namespace)
			}
			if token != "" {
				r.Header.Set("X-Vault-Token", token)
			}
			return nil
		})
	}
	token, door, err := p.login(ctx, plain(""), s)
	if err != nil {
		return provider.Account{}, err
	}
	p.api, p.mount = plain(token), strings.Trim(s["mount"], "/")
	if p.v2, err = p.version(ctx); err != nil {
		return provider.Account{}, err
	}
	name := api.Host() + "/" + p.mount
	if namespace != "" {
		name = api.Host() + " " + namespace + "/" + p.mount
	}
	a := provider.Account{Name: name, Door: door}
	if p.v2 {
		a.Notes = []string{"one listing call a folder and one a secret (OpenBao: one for all), one read call a secret, 8 at once"}
	} else {
		a.Notes = []string{"KV version 1 has no change tokens: every value is read at every import"}
	}
	return a, nil
}

// version asks what the mount is; every token may.
func (p *Provider) version(ctx context.Context) (bool, error) {
	var out struct {
		Data struct {
			Type    string
			Options map[string]string
		}
	}
	_, _, err := p.api.Do(ctx, rest.Call{Path: "/v1/sys/internal/ui/mounts/" + escape(p.mount), Out: &out})
	if err != nil {
		return false, err
	}
	if out.Data.Type != "kv" && out.Data.Type != "generic" {
		return false, provider.Errorf(provider.Invalid, "mount %q is of type %q, not kv", p.mount, out.Data.Type)
	}
	return out.Data.Options["version"] == "2", nil
}

// escape escapes the segments of a path.
func escape(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func (p *Provider) at(kind, ref string) string {
	at := "/v1/" + escape(p.mount)
	if p.v2 {
		at += "/" + kind
	}
	return at + "/" + escape(ref)
}

// A described secret is its path and, with version 2, its metadata.
type described struct {
	path string
	meta *metadata
}

type metadata struct {
	Current  int               `json:"current_version"`
	Updated  time.Time         `json:"updated_time"`
	Custom   map[string]string `json:"custom_metadata"`
	Versions map[string]struct {
		Deletion  string `json:"deletion_time"`
		Destroyed bool
	}
}

// gone reports whether the current version was deleted.
func (m *metadata) gone() bool {
	v, ok := m.Versions[strconv.Itoa(m.Current)]
	return m.Current == 0 || ok && (v.Destroyed || v.Deletion != "")
}

// List yields every secret below the query's path.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		root := strings.Trim(q.Path, "/")
		all, err := p.all(ctx, root)
		if err != nil {
			yield(provider.Entry{}, err)
			return
		}
		for _, d := range all {
			dir, name := path.Split(d.path)
			e := provider.Entry{Ref: d.path, Name: name, Path: strings.Trim(dir, "/")}
			if m := d.meta; m != nil {
				if m.gone() {
					continue
				}
				e.Version = strconv.Itoa(m.Current)
				// A secret that was removed and made anew begins at version 1 again.
				e.ChangeToken = e.Version + "@" + m.Updated.UTC().Format(time.RFC3339Nano)
				e.Labels, e.Updated = m.Custom, m.Updated
			}
			if carries(e.Labels, q.Tags) && !yield(e, nil) {
				return
			}
		}
	}
}

func carries(labels, want map[string]string) bool {
	for k, v := range want {
		if labels[k] != v {
			return false
		}
	}
	return true
}

func (p *Provider) all(ctx context.Context, root string) ([]described, error) {
	if p.v2 {
		if all, ok, err := p.scan(ctx, root); ok || err != nil {
			return all, err
		}
	}
	paths, err := p.walk(ctx, root)
	if err != nil {
		return nil, err
	}
	return rest.Parallel(ctx, paths, p.describe)
}

func (p *Provider) describe(ctx context.Context, at string) (described, error) {
	d := described{path: at}
	if !p.v2 {
		return d, nil
	}
	var out struct{ Data metadata }
	_, _, err := p.api.Do(ctx, rest.Call{Path: p.at("metadata", at), Out: &out})
	d.meta = &out.Data
	return d, err
}

// scan is OpenBao's way: everything with its metadata in one call. Not ok: the
// server does not know it, as Vault, or does not allow it. One that did not
// answer is an error: walking on would take what is missing for empty folders.
func (p *Provider) scan(ctx context.Context, root string) (all []described, ok bool, err error) {
	var out struct {
		Data struct {
			Keys []string
			Info map[string]*metadata `json:"key_info"`
		}
	}
	_, _, err = p.api.Do(ctx, rest.Call{Method: "SCAN", Path: p.at("detailed-metadata", folder(root)), Out: &out})
	switch {
	case provider.Retryable(err):
		return nil, false, err
	case err != nil:
		return nil, false, nil
	}
	for _, k := range out.Data.Keys {
		if strings.HasSuffix(k, "/") {
			continue
		}
		m := out.Data.Info[k]
		if m == nil {
			return nil, false, nil // an older one that lists without details
		}
		all = append(all, described{path.Join(root, k), m})
	}
	return all, true, nil
}

func folder(p string) string {
	if p == "" {
		return ""
	}
	return p + "/"
}

// walk lists folder by folder. One that is empty is not there.
func (p *Provider) walk(ctx context.Context, root string) ([]string, error) {
	var found []string
	level := []string{root}
	for depth := 0; len(level) > 0; depth++ {
		if depth > 64 {
			return nil, provider.Errorf(provider.Invalid, "folders deeper than 64")
		}
		lists, err := rest.Parallel(ctx, level, p.keys)
		if err != nil {
			return nil, err
		}
		var below []string
		for i, keys := range lists {
			for _, k := range keys {
				if dir, ok := strings.CutSuffix(k, "/"); ok {
					below = append(below, strings.TrimPrefix(level[i]+"/"+dir, "/"))
				} else {
					found = append(found, strings.TrimPrefix(level[i]+"/"+k, "/"))
				}
			}
		}
		level = below
	}
	slices.Sort(found)
	return found, nil
}

func (p *Provider) keys(ctx context.Context, dir string) ([]string, error) {
	var out struct{ Data struct{ Keys []string } }
	_, _, err := p.api.Do(ctx, rest.Call{Method: "LIST", Path: p.at("metadata", folder(dir)), Out: &out})
	if provider.CodeOf(err) == provider.NotFound {
		err = nil
	}
	return out.Data.Keys, err
}

// Fetch reads one secret. One with the single key "value" is that value; any
// other is a JSON object of its keys, with numbers as they are spelled.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	var out struct{ Data json.RawMessage }
	if _, _, err := p.api.Do(ctx, rest.Call{Path: p.at("data", ref), Out: &out}); err != nil {
		return provider.Item{}, err
	}
	item := provider.Item{}
	data := out.Data
	if p.v2 {
		var v2 struct {
			Data     json.RawMessage
			Metadata struct{ Version int }
		}
		if json.Unmarshal(data, &v2) != nil || v2.Data == nil || string(v2.Data) == "null" {
			return item, provider.Errorf(provider.NotFound, "%s: no current version", ref)
		}
		data, item.Version = v2.Data, strconv.Itoa(v2.Metadata.Version)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return item, provider.Errorf(provider.Invalid, "%s: not an object", ref)
	}
	var single string
	if v, ok := fields["value"]; ok && len(fields) == 1 && json.Unmarshal(v, &single) == nil {
		item.Value = []byte(single)
		return item, nil
	}
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return item, provider.Errorf(provider.Invalid, "%s: not an object", ref)
	}
	item.Value = b.Bytes()
	return item, nil
}

// Package infisical reads secrets from Infisical, the cloud or one's own
// server, over its REST API: version 4 of the secrets endpoints, and version 3
// where a server answers 404 to that. (The official SDK is not used: its
// recursive listing drops keys of the same name in different folders.)
//
// API: https://infisical.com/docs/api-reference
package infisical

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// A Provider reads one project and environment.
type Provider struct {
	anonymous, api     *rest.Client // the second carries the token
	project, env, root string
	imports            bool
	login              login
	getenv             func(string) string
	v3                 bool // the server has no version 4
	mu                 sync.Mutex
	token              string
	expires            time.Time
}

// New returns a provider that takes its credentials from the environment.
func New() *Provider { return &Provider{getenv: os.Getenv} }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{
		Name: "infisical", Version: "1", Description: "Infisical, cloud or self-hosted",
		Settings: []provider.Setting{
			{Name: "project", Description: "project id", Required: true},
			{Name: "env", Description: "environment slug", Default: "dev"},
			{Name: "path", Description: "folder to read, with all below it", Default: "/"},
			{Name: "address", Description: "server; INFISICAL_API_URL when not set", Default: ""},
			{Name: "imports", Description: "true: secrets imported from elsewhere too", Default: "true"},
		},
		Environment: variables(),
		Doors:       doorNames(),
	}
}

// Configure picks the first door whose variables are set and logs in.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	p.project, p.env, p.root = c.Settings["project"], c.Settings["env"], path.Clean("/"+c.Settings["path"])
	p.imports = c.Settings["imports"] != "false"
	address := c.Settings["address"]
	for _, k := range []string{"INFISICAL_API_URL", "INFISICAL_DOMAIN"} {
		if address == "" {
			address = p.getenv(k)
		}
	}
	if address == "" {
		address = "https://app.infisical.com"
	}
	var err error
	if p.anonymous, err = rest.New(strings.TrimSuffix(strings.TrimRight(address, "/"), "/api")); err != nil {
		return provider.Account{}, err
	}
	p.api = p.anonymous.With(p.bearer)
	if p.login, err = pick(p.getenv); err != nil {
		return provider.Account{}, err
	}
	if err := p.check(ctx); err != nil {
		return provider.Account{}, err
	}
	return provider.Account{
		Name:  fmt.Sprintf("%s project %s, environment %s", p.api.Host(), p.project, p.env),
		Door:  p.login.name,
		Notes: []string{"Infisical's cloud allows 200 reads a minute on the free plan: a large project takes minutes"},
	}, nil
}

// check makes the cheapest call that shows whether the credentials work.
func (p *Provider) check(ctx context.Context) error {
	q := p.query(p.root)
	q.Set("viewSecretValue", "false")
	return p.get(ctx, "", q, nil, new(listing))
}

// wireSecret is one secret as the API spells it.
type wireSecret struct {
	ID          string                  `json:"id"`
	Key         string                  `json:"secretKey"`
	Value       string                  `json:"secretValue"`
	Hidden      bool                    `json:"secretValueHidden"`
	Path        string                  `json:"secretPath"`
	Version     json.Number             `json:"version"`
	Updated     time.Time               `json:"updatedAt"`
	Environment string                  `json:"environment"`
	Rotated     bool                    `json:"isRotatedSecret"`
	Tags        []struct{ Slug string } `json:"tags"`
}

type listing struct {
	Secrets []wireSecret `json:"secrets"`
	Imports []struct {
		Path        string       `json:"secretPath"`
		Environment string       `json:"environment"`
		Secrets     []wireSecret `json:"secrets"`
	} `json:"imports"`
}

// List asks for the whole tree in one call, without values. Imported secrets
// come after the project's own, which win over them.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		v := p.query(path.Join(p.root, q.Path))
		v.Set("recursive", "true")
		v.Set("viewSecretValue", "false")
		v.Set("includeImports", fmt.Sprint(p.imports))
		v.Set("include_imports", fmt.Sprint(p.imports)) // as version 3 spells it
		var l listing
		if err := p.get(ctx, "", v, nil, &l); err != nil {
			yield(provider.Entry{}, err)
			return
		}
		own := map[string]bool{}
		for _, s := range l.Secrets {
			own[s.Path+"\x00"+s.Key] = true
			if !yieldTagged(yield, p.entry(s, p.env), s, q) {
				return
			}
		}
		for i := len(l.Imports) - 1; i >= 0; i-- { // the last import wins, as in the service
			in := l.Imports[i]
			for _, s := range in.Secrets {
				if at := p.root + "\x00" + s.Key; !own[at] {
					own[at] = true
					s.Path = in.Path
					e := p.entry(s, in.Environment)
					e.Path = strings.Trim(p.root, "/")
					if !yieldTagged(yield, e, s, q) {
						return
					}
				}
			}
		}
	}
}

func yieldTagged(yield func(provider.Entry, error) bool, e provider.Entry, s wireSecret, q provider.Query) bool {
	for tag := range q.Tags {
		found := false
		for _, t := range s.Tags {
			found = found || t.Slug == tag
		}
		if !found {
			return true
		}
	}
	return yield(e, nil)
}

// entry makes the metadata of a secret. The reference is the environment and
// the absolute path: names repeat between folders.
func (p *Provider) entry(s wireSecret, env string) provider.Entry {
	at := path.Clean("/" + s.Path)
	rel := strings.Trim(strings.TrimPrefix(at, strings.TrimSuffix(p.root, "/")), "/")
	e := provider.Entry{
		Ref: env + ":" + path.Join(at, s.Key), Name: s.Key, Path: rel, Version: s.Version.String(),
		ChangeToken: s.ID + "/" + s.Version.String(), Updated: s.Updated, Labels: map[string]string{},
	}
	if s.Version == "" || s.ID == "" {
		e.ChangeToken = ""
	}
	if s.Rotated {
		e.Owner = "infisical rotation"
	}
	for _, t := range s.Tags {
		e.Labels[t.Slug] = ""
	}
	return e
}

// Fetch reads one value, its references to other secrets resolved.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	env, full, ok := strings.Cut(ref, ":")
	if !ok || !strings.HasPrefix(full, "/") {
		return provider.Item{}, provider.Errorf(provider.Invalid, "reference %q", ref)
	}
	q := p.query(path.Dir(full))
	q.Set("environment", env)
	q.Set("type", "shared")
	q.Set("viewSecretValue", "true")
	q.Set("expandSecretReferences", "true")
	q.Set("includeImports", "true")
	var out struct {
		Secret wireSecret `json:"secret"`
	}
	if err := p.get(ctx, "/"+url.PathEscape(path.Base(full)), q, nil, &out); err != nil {
		return provider.Item{}, err
	}
	if out.Secret.Hidden {
		return provider.Item{}, provider.Errorf(provider.Denied, "this identity may see %s, but not its value", full)
	}
	return provider.Item{
		Value: []byte(out.Secret.Value), Version: out.Secret.Version.String(),
		ChangeToken: out.Secret.ID + "/" + out.Secret.Version.String(),
	}, nil
}

func (p *Provider) query(at string) url.Values {
	return url.Values{
		"projectId": {p.project}, "workspaceId": {p.project}, // the second as version 3 spells it
		"environment": {p.env}, "secretPath": {at}, "expandSecretReferences": {"false"},
	}
}

// get calls the secrets endpoint, in version 3 once version 4 has said that it
// is not there, and once more with a new token when the old one has ended.
func (p *Provider) get(ctx context.Context, suffix string, q url.Values, h http.Header, out any) error {
	for try := 0; ; try++ {
		base := "/api/v4/secrets"
		if p.isV3() {
			base = "/api/v3/secrets/raw"
		}
		if err := p.authorize(ctx); err != nil {
			return err
		}
		_, _, err := p.api.Do(ctx, rest.Call{Path: base + suffix, Query: q, Header: h, Out: out})
		switch {
		case err == nil || try > 1:
			return err
		case provider.CodeOf(err) == provider.Unauthenticated && p.forget():
		case provider.CodeOf(err) == provider.NotFound && !p.isV3() && routeMissing(err):
			p.setV3()
		default:
			return err
		}
	}
}

// routeMissing tells a server without the route from a secret that is missing:
// the router says "Route GET:/api/v4/... not found".
func routeMissing(err error) bool { return strings.Contains(strings.ToLower(err.Error()), "route get") }

func (p *Provider) isV3() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.v3
}

func (p *Provider) setV3() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.v3 = true
}

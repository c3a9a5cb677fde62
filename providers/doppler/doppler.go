// Package doppler reads one config of a Doppler project.
package doppler

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// Provider reads one config.
type Provider struct {
	getenv func(string) string // nil: os.Getenv
	api    *rest.Client
	query  url.Values
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "doppler", Version: "1", Description: "Doppler",
		Settings: []provider.Setting{
			{Name: "project", Description: "project; DOPPLER_PROJECT when not set; a service token knows its own"},
			{Name: "config", Description: "config, as dev or prd; DOPPLER_CONFIG when not set"},
		},
		Environment: []string{"DOPPLER_TOKEN", "DOPPLER_PROJECT", "DOPPLER_CONFIG", "DOPPLER_API_HOST"},
		Doors:       []string{"DOPPLER_TOKEN: service, service account, personal or CLI token"}}
}

func (p *Provider) env(name string) string {
	if p.getenv != nil {
		return p.getenv(name)
	}
	return os.Getenv(name)
}

// Configure asks whose token this is.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	token := p.env("DOPPLER_TOKEN")
	if token == "" {
		return provider.Account{}, provider.Errorf(provider.Unauthenticated, "no credentials found; tried DOPPLER_TOKEN")
	}
	host := p.env("DOPPLER_API_HOST")
	if host == "" {
		host = "https://api.doppler.com"
	}
	api, err := rest.New(host)
	if err != nil {
		return provider.Account{}, err
	}
	p.api = api.With(func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	})
	p.query = url.Values{"include_dynamic_secrets": {"false"}}
	at := api.Host()
	for _, name := range []string{"project", "config"} {
		v := c.Settings[name]
		if v == "" {
			v = p.env("DOPPLER_" + map[string]string{"project": "PROJECT", "config": "CONFIG"}[name])
		}
		if v != "" {
			p.query.Set(name, v)
			at += " " + v
		}
	}
	var me struct{ Workplace struct{ Name string } }
	if _, _, err := p.api.Do(ctx, rest.Call{Path: "/v3/me", Out: &me}); err != nil {
		return provider.Account{}, err
	}
	if me.Workplace.Name != "" {
		at += " (" + me.Workplace.Name + ")"
	}
	return provider.Account{Name: at, Door: "DOPPLER_TOKEN", Notes: []string{
		"one listing call and one read call for all values; no change tokens: every value is read at every import"}}, nil
}

// own are the names that Doppler adds to every config.
func own() []string { return []string{"DOPPLER_PROJECT", "DOPPLER_CONFIG", "DOPPLER_ENVIRONMENT"} }

// List yields the names.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		if q.Path != "" || len(q.Tags) > 0 {
			yield(provider.Entry{}, provider.Errorf(provider.Invalid, "a Doppler config has neither folders nor tags"))
			return
		}
		var out struct{ Names []string }
		if _, _, err := p.api.Do(ctx, rest.Call{Path: "/v3/configs/config/secrets/names", Query: p.query, Out: &out}); err != nil {
			yield(provider.Entry{}, err)
			return
		}
		for _, n := range out.Names {
			if !slices.Contains(own(), n) && !yield(provider.Entry{Ref: n, Name: n}, nil) {
				return
			}
		}
	}
}

// Fetch reads one value.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	var out struct{ Value struct{ Computed *string } }
	q := url.Values{"name": {ref}}
	for k, v := range p.query {
		q[k] = v
	}
	if _, _, err := p.api.Do(ctx, rest.Call{Path: "/v3/configs/config/secret", Query: q, Out: &out}); err != nil {
		return provider.Item{}, err
	}
	if out.Value.Computed == nil {
		return provider.Item{}, provider.Errorf(provider.Denied, "%s: restricted: its value cannot be read", ref)
	}
	return provider.Item{Value: []byte(*out.Value.Computed)}, nil
}

// FetchBatch reads them all in one call, whatever is asked for.
func (p *Provider) FetchBatch(ctx context.Context, refs []string) iter.Seq[provider.Result] {
	var once sync.Once
	var all map[string]struct{ Computed *string }
	var err error
	return func(yield func(provider.Result) bool) {
		once.Do(func() {
			var out struct {
				Secrets map[string]struct{ Computed *string }
			}
			_, _, err = p.api.Do(ctx, rest.Call{Path: "/v3/configs/config/secrets", Query: p.query, Out: &out})
			all = out.Secrets
		})
		for _, ref := range refs {
			r := provider.Result{Ref: ref, Err: err}
			switch v, ok := all[ref]; {
			case err != nil:
			case !ok:
				r.Err = provider.Errorf(provider.NotFound, "%s", ref)
			case v.Computed == nil:
				r.Err = provider.Errorf(provider.Denied, "%s: restricted: its value cannot be read", ref)
			default:
				r.Item = provider.Item{Value: []byte(*v.Computed)}
			}
			if !yield(r) {
				return
			}
		}
	}
}

// Package gcp reads Google Cloud Secret Manager over its REST interface.
package gcp

import (
	"cmp"
	"context"
	"encoding/base64"
	"hash/crc32"
	"iter"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// Provider reads one project.
type Provider struct {
	getenv  func(string) string // nil: os.Getenv
	api     *rest.Client
	project string
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "gcp", Version: "1", Description: "Google Cloud Secret Manager",
		Settings: []provider.Setting{
			{Name: "project", Description: "project id; GOOGLE_CLOUD_PROJECT when not set"},
			{Name: "impersonate", Description: "e-mail of a service account to act as"},
			{Name: "endpoint", Description: "address of a regional or compatible service", Default: "https://secretmanager.googleapis.com"},
		},
		Environment: []string{"GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CONFIG",
			"GCE_METADATA_HOST", "NO_GCE_CHECK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"},
		Doors: doors()}
}

// Configure signs in and lists one secret, to see that it may.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	api, err := rest.New(c.Settings["endpoint"])
	if err != nil {
		return provider.Account{}, err
	}
	tokens, door, project, err := p.signIn(ctx, c.Settings["impersonate"])
	if err != nil {
		return provider.Account{}, err
	}
	p.project = cmp.Or(c.Settings["project"], p.env("GOOGLE_CLOUD_PROJECT"), project)
	if p.project == "" {
		return provider.Account{}, provider.Errorf(provider.Invalid, "no project: give gcp://PROJECT, or set GOOGLE_CLOUD_PROJECT")
	}
	p.api = api.With(func(r *http.Request) error {
		t, err := tokens(r.Context())
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+t)
		}
		return err
	})
	if _, _, err := p.api.Do(ctx, rest.Call{Path: p.secrets(), Query: url.Values{"pageSize": {"1"}}}); err != nil {
		return provider.Account{}, err
	}
	return provider.Account{Name: "project " + p.project + " at " + api.Host(), Door: door,
		Notes: []string{"250 secrets a listing call, one more a secret for its version, one read call a secret, 8 at once"}}, nil
}

func (p *Provider) secrets() string { return "/v1/projects/" + url.PathEscape(p.project) + "/secrets" }

type secret struct {
	Name     string
	Labels   map[string]string
	Rotation *struct{}
}

type version struct {
	Name       string
	State      string
	CreateTime time.Time
}

// List pages through the secrets and asks for the latest version of each.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		if q.Path != "" {
			yield(provider.Entry{}, provider.Errorf(provider.Invalid, "Secret Manager has no folders; use --match"))
			return
		}
		query := url.Values{"pageSize": {"250"}}
		for {
			var page struct {
				Secrets []secret
				Next    string `json:"nextPageToken"`
			}
			_, _, err := p.api.Do(ctx, rest.Call{Path: p.secrets(), Query: query, Out: &page})
			var entries []provider.Entry
			if err == nil {
				entries, err = rest.Parallel(ctx, page.Secrets, p.latest)
			}
			if err != nil {
				yield(provider.Entry{}, err)
				return
			}
			for _, e := range entries {
				if e.Ref != "" && carries(e.Labels, q.Tags) && !yield(e, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			query.Set("pageToken", page.Next)
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

// latest describes a secret; one without an enabled version has no Ref.
func (p *Provider) latest(ctx context.Context, s secret) (provider.Entry, error) {
	name := path.Base(s.Name)
	var v version
	_, _, err := p.api.Do(ctx, rest.Call{Path: p.secrets() + "/" + url.PathEscape(name) + "/versions/latest", Out: &v})
	if c := provider.CodeOf(err); c == provider.NotFound || err == nil && v.State != "ENABLED" {
		return provider.Entry{}, nil
	}
	if err != nil {
		return provider.Entry{}, err
	}
	e := provider.Entry{Ref: name, Name: name, Version: path.Base(v.Name), Labels: s.Labels, Updated: v.CreateTime}
	e.ChangeToken = token(v.Name)
	if s.Rotation != nil {
		e.Owner = "rotation"
	}
	return e, nil
}

// token of a version: its number, which is never used again.
func token(name string) string { return path.Base(name) }

// Fetch reads the latest version of a secret and checks it.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	var out struct {
		Name    string
		Payload struct {
			Data  string
			Check string `json:"dataCrc32c"`
		}
	}
	_, _, err := p.api.Do(ctx, rest.Call{Path: p.secrets() + "/" + url.PathEscape(ref) + "/versions/latest:access", Out: &out})
	if err != nil {
		return provider.Item{}, err
	}
	value, err := base64.StdEncoding.DecodeString(out.Payload.Data)
	if err != nil {
		return provider.Item{}, provider.Errorf(provider.Invalid, "%s: not the base64 that was expected", ref)
	}
	if out.Payload.Check != "" && out.Payload.Check != checksum(value) {
		return provider.Item{}, provider.Errorf(provider.Unavailable, "%s: damaged on its way", ref)
	}
	return provider.Item{Value: value, Version: path.Base(out.Name), ChangeToken: token(out.Name)}, nil
}

func checksum(b []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10)
}

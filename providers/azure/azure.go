// Package azure reads Azure Key Vault over its REST interface. Which authority
// gives tokens is what the vault's first answer, a challenge, says.
package azure

import (
	"context"
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

const apiVersion = "7.4"

// Provider reads one key vault.
type Provider struct {
	getenv func(string) string // nil: os.Getenv
	api    *rest.Client
	host   string

	mu    sync.Mutex
	token string
	until time.Time
	renew func(context.Context) (string, time.Duration, error)
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "azure", Version: "1", Description: "Azure Key Vault",
		Settings: []provider.Setting{
			{Name: "vault", Description: "name of the key vault, or its address", Required: true},
		},
		Environment: []string{"AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_AUTHORITY_HOST",
			"AZURE_CONFIG_DIR", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"},
		Doors: doors()}
}

func (p *Provider) env(name string) string {
	if p.getenv != nil {
		return p.getenv(name)
	}
	return os.Getenv(name)
}

// Configure takes the challenge, signs in where it says, and lists one secret.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	address := c.Settings["vault"]
	if !strings.Contains(address, "://") {
		if strings.ContainsAny(address, "./:@") {
			return provider.Account{}, provider.Errorf(provider.Invalid, "vault %q: want a name, or an address with https://", address)
		}
		address = "https://" + address + ".vault.azure.net"
	}
	api, err := rest.New(address)
	if err != nil {
		return provider.Account{}, err
	}
	p.host = api.Host()
	_, header, err := api.Do(ctx, p.page(""))
	if provider.CodeOf(err) != provider.Unauthenticated {
		if err == nil {
			err = provider.Errorf(provider.Invalid, "%s asks for no credentials: not a key vault", p.host)
		}
		return provider.Account{}, err
	}
	ch, err := p.challenge(header.Get("WWW-Authenticate"))
	if err != nil {
		return provider.Account{}, err
	}
	door, err := p.signIn(ctx, ch)
	if err != nil {
		return provider.Account{}, err
	}
	p.api = api.With(func(r *http.Request) error {
		t, err := p.bearer(r.Context())
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+t)
		}
		return err
	})
	if _, _, err := p.api.Do(ctx, p.page("")); err != nil {
		return provider.Account{}, err
	}
	return provider.Account{Name: p.host, Door: door, Notes: []string{"25 secrets a listing call, one read call a secret, 8 at once"}}, nil
}

// bearer returns a token that is good now.
func (p *Provider) bearer(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return p.token, nil
	}
	t, good, err := p.renew(ctx)
	if err == nil {
		p.token, p.until = t, time.Now().Add(good-min(time.Minute, good/2))
	}
	return t, err
}

func (p *Provider) page(skip string) rest.Call {
	q := url.Values{"api-version": {apiVersion}, "maxresults": {"25"}}
	if skip != "" {
		q.Set("$skiptoken", skip)
	}
	return rest.Call{Path: "/secrets", Query: q}
}

type listed struct {
	ID         string
	Managed    bool // a certificate's private key
	Tags       map[string]string
	Attributes struct {
		Enabled bool
		Updated int64
	}
}

// List pages through the secrets, without the disabled and the managed ones.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		if q.Path != "" {
			yield(provider.Entry{}, provider.Errorf(provider.Invalid, "a key vault has no folders; use --match"))
			return
		}
		call := p.page("")
		for {
			var page struct {
				Value    []listed
				NextLink string
			}
			call.Out = &page
			if _, _, err := p.api.Do(ctx, call); err != nil {
				yield(provider.Entry{}, err)
				return
			}
			for _, s := range page.Value {
				name := path.Base(s.ID)
				e := provider.Entry{Ref: name, Name: name, Labels: s.Tags, ChangeToken: fmt.Sprint(s.Attributes.Updated), Updated: time.Unix(s.Attributes.Updated, 0)}
				if s.Attributes.Enabled && !s.Managed && carries(s.Tags, q.Tags) && !yield(e, nil) {
					return
				}
			}
			if page.NextLink == "" {
				return
			}
			next, err := p.next(page.NextLink)
			if err != nil {
				yield(provider.Entry{}, err)
				return
			}
			call = next
		}
	}
}

// next takes the link of the next page apart: only its query is followed, and
// never to another host.
func (p *Provider) next(link string) (rest.Call, error) {
	u, err := url.Parse(link)
	if err != nil || u.Host != p.host && u.Hostname() != p.host {
		return rest.Call{}, provider.Errorf(provider.Invalid, "the next page is on another host")
	}
	return rest.Call{Path: "/secrets", Query: u.Query()}, nil
}

func carries(tags, want map[string]string) bool {
	for k, v := range want {
		if tags[k] != v {
			return false
		}
	}
	return true
}

// Fetch reads the current version of a secret.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	var out struct {
		Value      string
		ID         string
		Attributes struct{ Updated int64 }
	}
	_, _, err := p.api.Do(ctx, rest.Call{Path: "/secrets/" + url.PathEscape(ref), Query: url.Values{"api-version": {apiVersion}}, Out: &out})
	if err != nil {
		return provider.Item{}, err
	}
	return provider.Item{Value: []byte(out.Value), Version: path.Base(out.ID), ChangeToken: fmt.Sprint(out.Attributes.Updated)}, nil
}

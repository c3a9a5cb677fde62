package azure

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

func doors() []string {
	return []string{"client secret of the environment", "workload identity", "managed identity of an app", "Azure CLI"}
}

// A challenge says who gives tokens, and for what.
type challenge struct {
	authority string // scheme and host
	tenant    string
	resource  string
}

// challenge reads the header. A vault must not be able to send credentials to a
// place of its choice: the authority is one of Microsoft's, or the one that the
// environment names, and the resource is a suffix of the vault's own host.
func (p *Provider) challenge(header string) (challenge, error) {
	fields := map[string]string{}
	for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(header, -1) {
		fields[m[1]] = m[2]
	}
	where := fields["authorization"]
	if where == "" {
		where = fields["authorization_uri"]
	}
	u, err := url.Parse(where)
	resource, rerr := url.Parse(fields["resource"])
	if err != nil || rerr != nil || u.Host == "" || resource.Host == "" {
		return challenge{}, provider.Errorf(provider.Invalid, "%s: its challenge cannot be read", p.host)
	}
	own := p.env("AZURE_AUTHORITY_HOST")
	named, _ := url.Parse(own)
	known := map[string]bool{"login.microsoftonline.com": true, "login.windows.net": true, "login.chinacloudapi.cn": true,
		"login.microsoftonline.us": true, "login.partner.microsoftonline.cn": true}
	if !(u.Scheme == "https" && known[u.Host]) && (own == "" || named == nil || u.Host != named.Host) {
		return challenge{}, provider.Errorf(provider.Invalid, "%s sends us to sign in at %q, which is not Microsoft's", p.host, u.Host)
	}
	host, _, _ := strings.Cut(p.host, ":")
	if r := resource.Hostname(); host != r && !strings.HasSuffix(host, "."+r) {
		return challenge{}, provider.Errorf(provider.Invalid, "%s wants a token for %q, which is not it", p.host, r)
	}
	return challenge{u.Scheme + "://" + u.Host, strings.Trim(u.Path, "/"), strings.TrimRight(fields["resource"], "/")}, nil
}

// signIn takes the first door that is open and gets a token.
func (p *Provider) signIn(ctx context.Context, ch challenge) (string, error) {
	door := ""
	switch {
	case p.env("AZURE_CLIENT_ID") != "" && p.env("AZURE_CLIENT_SECRET") != "":
		door, p.renew = doors()[0], p.client(ch, func(f url.Values) error {
			f.Set("client_secret", p.env("AZURE_CLIENT_SECRET"))
			return nil
		})
	case p.env("AZURE_CLIENT_ID") != "" && p.env("AZURE_FEDERATED_TOKEN_FILE") != "":
		door, p.renew = doors()[1], p.client(ch, func(f url.Values) error {
			jwt, err := os.ReadFile(p.env("AZURE_FEDERATED_TOKEN_FILE"))
			if err != nil {
				return provider.Errorf(provider.Unauthenticated, "workload identity: no token file")
			}
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			f.Set("client_assertion", strings.TrimSpace(string(jwt)))
			return nil
		})
	case p.env("IDENTITY_ENDPOINT") != "":
		door, p.renew = doors()[2], p.managed(ch)
	default:
		door, p.renew = doors()[3], azureCLI(ch)
	}
	_, err := p.bearer(ctx)
	if err != nil && door == doors()[3] {
		err = provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(doors(), ", "))
	}
	return door, err
}

type tokenAnswer struct {
	Token   string      `json:"access_token"`
	Seconds json.Number `json:"expires_in"`
}

func (t tokenAnswer) take(door string, err error) (string, time.Duration, error) {
	n, _ := t.Seconds.Int64()
	switch c := provider.CodeOf(err); {
	case err != nil && (c == provider.Invalid || c == provider.Denied):
		return "", 0, provider.Errorf(provider.Unauthenticated, "%s: refused", door)
	case err == nil && t.Token == "":
		return "", 0, provider.Errorf(provider.Unauthenticated, "%s: no token in the answer", door)
	}
	return t.Token, max(time.Duration(n)*time.Second, time.Minute), err
}

// client is the client credentials grant.
func (p *Provider) client(ch challenge, prove func(url.Values) error) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		api, err := rest.New(ch.authority)
		if err != nil {
			return "", 0, err
		}
		tenant := p.env("AZURE_TENANT_ID")
		if tenant == "" {
			tenant = ch.tenant
		}
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.env("AZURE_CLIENT_ID")}, "scope": {ch.resource + "/.default"}}
		if err := prove(form); err != nil {
			return "", 0, err
		}
		var out tokenAnswer
		_, _, err = api.Do(ctx, rest.Call{Method: "POST", Path: "/" + url.PathEscape(tenant) + "/oauth2/v2.0/token", In: form, Out: &out})
		return out.take("sign in at "+api.Host(), err)
	}
}

// managed asks the endpoint that App Service, Functions and Arc provide.
func (p *Provider) managed(ch challenge) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		u, err := url.Parse(p.env("IDENTITY_ENDPOINT"))
		if err != nil {
			return "", 0, provider.Errorf(provider.Invalid, "IDENTITY_ENDPOINT is not a URL")
		}
		api, err := rest.New(u.Scheme + "://" + u.Host)
		if err != nil {
			return "", 0, err
		}
		q := url.Values{"api-version": {"2019-08-01"}, "resource": {ch.resource}}
		var out tokenAnswer
		_, _, err = api.Do(ctx, rest.Call{Path: u.Path, Query: q, Out: &out, Header: http.Header{"X-Identity-Header": {p.env("IDENTITY_HEADER")}}})
		return out.take("managed identity", err)
	}
}

// azureCLI asks a person's own sign-in.
func azureCLI(ch challenge) func(context.Context) (string, time.Duration, error) {
	return func(ctx context.Context) (string, time.Duration, error) {
		ctx, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		text, err := exec.CommandContext(ctx, "az", "account", "get-access-token", "--resource", ch.resource, "--output", "json").Output()
		var out struct {
			AccessToken string `json:"accessToken"`
			ExpiresOn   int64  `json:"expires_on"`
		}
		if err != nil || json.Unmarshal(text, &out) != nil || out.AccessToken == "" {
			return "", 0, provider.Errorf(provider.Unauthenticated, "Azure CLI: not signed in")
		}
		return out.AccessToken, max(time.Until(time.Unix(out.ExpiresOn, 0)), time.Minute), nil
	}
}

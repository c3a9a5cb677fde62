package infisical

import (
	"context"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// A login is one way to get an access token. All but the ready-made token post
// a few fields to an address of their own.
type login struct {
	name   string
	path   string
	needs  []string // variables that must be set
	fields func(getenv func(string) string) (map[string]string, error)
}

const identity = "INFISICAL_MACHINE_IDENTITY_ID"

// logins in the order in which they are tried.
// Fields: https://infisical.com/docs/documentation/platform/identities
func logins() []login {
	return []login{
		{name: "universal auth", path: "/api/v1/auth/universal-auth/login",
			needs:  []string{"INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET"},
			fields: variablesAs("clientId", "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "clientSecret", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET")},
		{name: "token", needs: []string{"INFISICAL_TOKEN"}},
		{name: "Kubernetes", path: "/api/v1/auth/kubernetes-auth/login", needs: []string{identity, "KUBERNETES_SERVICE_HOST"},
			fields: jwtFile("INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH", "/var/run/secrets/kubernetes.io/serviceaccount/token")},
		{name: "AWS", path: "/api/v1/auth/aws-auth/login", needs: []string{identity, "INFISICAL_AWS_IAM_REQUEST_BODY", "INFISICAL_AWS_IAM_REQUEST_HEADERS"},
			fields: awsFields},
		{name: "GCP", path: "/api/v1/auth/gcp-auth/login", needs: []string{identity, "INFISICAL_GCP_ID_TOKEN"},
			fields: variablesAs("identityId", identity, "jwt", "INFISICAL_GCP_ID_TOKEN")},
		{name: "Azure", path: "/api/v1/auth/azure-auth/login", needs: []string{identity, "INFISICAL_AZURE_JWT"},
			fields: variablesAs("identityId", identity, "jwt", "INFISICAL_AZURE_JWT")},
		{name: "OIDC", path: "/api/v1/auth/oidc-auth/login", needs: []string{identity, "INFISICAL_OIDC_AUTH_JWT"},
			fields: variablesAs("identityId", identity, "jwt", "INFISICAL_OIDC_AUTH_JWT")},
		{name: "JWT", path: "/api/v1/auth/jwt-auth/login", needs: []string{identity, "INFISICAL_JWT"},
			fields: variablesAs("identityId", identity, "jwt", "INFISICAL_JWT")},
		{name: "LDAP", path: "/api/v1/auth/ldap-auth/login", needs: []string{identity, "INFISICAL_LDAP_USERNAME", "INFISICAL_LDAP_PASSWORD"},
			fields: variablesAs("identityId", identity, "username", "INFISICAL_LDAP_USERNAME", "password", "INFISICAL_LDAP_PASSWORD")},
	}
}

func variablesAs(pairs ...string) func(func(string) string) (map[string]string, error) {
	return func(getenv func(string) string) (map[string]string, error) {
		m := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i]] = getenv(pairs[i+1])
		}
		return m, nil
	}
}

func jwtFile(variable, standard string) func(func(string) string) (map[string]string, error) {
	return func(getenv func(string) string) (map[string]string, error) {
		file := getenv(variable)
		if file == "" {
			file = standard
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, provider.Errorf(provider.Unauthenticated, "read service account token: %v", err)
		}
		return map[string]string{"identityId": getenv(identity), "jwt": strings.TrimSpace(string(b))}, nil
	}
}

// awsFields pass on a GetCallerIdentity request that was signed elsewhere: this
// provider holds no AWS keys.
func awsFields(getenv func(string) string) (map[string]string, error) {
	return map[string]string{
		"identityId": getenv(identity), "iamHttpRequestMethod": http.MethodPost,
		"iamRequestBody": getenv("INFISICAL_AWS_IAM_REQUEST_BODY"), "iamRequestHeaders": getenv("INFISICAL_AWS_IAM_REQUEST_HEADERS"),
	}, nil
}

func pick(getenv func(string) string) (login, error) {
next:
	for _, l := range logins() {
		for _, v := range l.needs {
			if getenv(v) == "" {
				continue next
			}
		}
		return l, nil
	}
	return login{}, provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(doorNames(), ", "))
}

func doorNames() []string {
	var names []string
	for _, l := range logins() {
		names = append(names, l.name+" ("+strings.Join(l.needs, ", ")+")")
	}
	return names
}

func variables() []string {
	seen := map[string]bool{}
	all := []string{"INFISICAL_API_URL", "INFISICAL_DOMAIN", "INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH"}
	for _, l := range logins() {
		for _, v := range l.needs {
			if !seen[v] {
				seen[v] = true
				all = append(all, v)
			}
		}
	}
	return all
}

// early is how long before its end a token is replaced.
const early = 30 * time.Second

// authorize makes sure that a token is there.
func (p *Provider) authorize(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" && (p.expires.IsZero() || time.Until(p.expires) > early) {
		return nil
	}
	if p.login.path == "" {
		p.token = p.getenv("INFISICAL_TOKEN")
		return nil
	}
	return p.post(ctx)
}

// bearer adds the token to a request of p.api.
func (p *Provider) bearer(r *http.Request) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Header.Set("Authorization", "Bearer "+p.token)
	return nil
}

func (p *Provider) post(ctx context.Context) error {
	fields, err := p.login.fields(p.getenv)
	if err != nil {
		return err
	}
	var out struct {
		AccessToken string `json:"accessToken"`
		ExpiresIn   int    `json:"expiresIn"`
	}
	_, _, err = p.anonymous.Do(ctx, rest.Call{Method: http.MethodPost, Path: p.login.path, In: fields, Out: &out})
	if err != nil {
		return err
	}
	if out.AccessToken == "" {
		return provider.Errorf(provider.Unauthenticated, "%s gave no token", p.login.name)
	}
	p.token, p.expires = out.AccessToken, time.Time{}
	if out.ExpiresIn > 0 {
		p.expires = time.Now().Add(time.Duration(out.ExpiresIn) * time.Second)
	}
	return nil
}

// forget drops a token that the service no longer takes. It reports whether a
// new login may help.
func (p *Provider) forget() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	had := p.token != "" && p.login.path != ""
	p.token = ""
	return had
}

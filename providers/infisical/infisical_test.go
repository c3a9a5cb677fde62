package infisical

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

func TestConformance(t *testing.T) {
	providertest.Run(t, newFake(t), providertest.Traits{NoBinary: true})
}

func TestConformanceVersion3(t *testing.T) {
	f := newFake(t)
	f.only3 = true
	providertest.Run(t, f, providertest.Traits{NoBinary: true})
}

// TestDoors logs in through each door against the fake.
func TestDoors(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("good-jwt\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := map[string]string{
		"INFISICAL_UNIVERSAL_AUTH_CLIENT_ID": "id", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET": "client-secret",
		"INFISICAL_TOKEN": "static-token", identity: "m1", "KUBERNETES_SERVICE_HOST": "k",
		"INFISICAL_AWS_IAM_REQUEST_BODY": "signed", "INFISICAL_AWS_IAM_REQUEST_HEADERS": "h",
		"INFISICAL_GCP_ID_TOKEN": "good-jwt", "INFISICAL_AZURE_JWT": "good-jwt", "INFISICAL_OIDC_AUTH_JWT": "good-jwt",
		"INFISICAL_JWT": "good-jwt", "INFISICAL_LDAP_USERNAME": "u", "INFISICAL_LDAP_PASSWORD": "good-password",
	}
	for _, l := range logins() {
		f := newFake(t)
		env := map[string]string{"INFISICAL_API_URL": f.URL + "/api", "INFISICAL_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH": token}
		for _, k := range l.needs {
			env[k] = good[k]
		}
		p := &Provider{getenv: func(k string) string { return env[k] }}
		a, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"project": "p1", "env": "dev"}})
		if err != nil || a.Door != l.name {
			t.Errorf("%s: door %q, %v", l.name, a.Door, err)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	p := &Provider{getenv: func(string) string { return "" }}
	_, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"project": "p1"}})
	if provider.CodeOf(err) != provider.Unauthenticated || !strings.Contains(err.Error(), "universal auth") || !strings.Contains(err.Error(), "LDAP") {
		t.Errorf("error %v, want the doors that were tried", err)
	}
}

func TestWrongCredentialsAreNotQuoted(t *testing.T) {
	f := newFake(t)
	env := map[string]string{"INFISICAL_API_URL": f.URL, "INFISICAL_UNIVERSAL_AUTH_CLIENT_ID": "id", "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET": "wrong-canary"}
	p := &Provider{getenv: func(k string) string { return env[k] }}
	_, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"project": "p1"}})
	if provider.CodeOf(err) != provider.Unauthenticated || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
}

// TestImports: an imported secret is listed where it is used, the project's own
// wins, and its value is read where it lives.
func TestImports(t *testing.T) {
	f := newFake(t)
	f.Fill(t, []providertest.Secret{{Name: "OWN", Value: []byte("mine")}})
	f.imports = []providertest.Secret{{Path: "base", Name: "OWN", Value: []byte("theirs")}, {Path: "base", Name: "SHARED", Value: []byte("shared value")}}
	p, c := f.Provider(t)
	c.Settings["imports"] = "true"
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		i, err := p.Fetch(t.Context(), e.Ref)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Path+"/"+e.Name] = string(i.Value)
	}
	if len(got) != 2 || got["/OWN"] != "mine" || got["/SHARED"] != "shared value" {
		t.Errorf("got %v", got)
	}
}

// TestHiddenValue: the service's placeholder is never taken for a value.
func TestHiddenValue(t *testing.T) {
	f := newFake(t)
	f.Fill(t, []providertest.Secret{{Name: "K", Value: []byte("v")}})
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil || strings.Contains(e.ChangeToken, "hidden") {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

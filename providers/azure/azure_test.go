package azure

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// fake is a key vault and the authority that its challenge names.
type fake struct {
	providertest.Store
	*httptest.Server
	challenge string // instead of its own
	nextHost  string // where the next page is said to be
	env       map[string]string
}

func newFake(t testing.TB) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f)
	f.env = map[string]string{"AZURE_CLIENT_ID": "id", "AZURE_CLIENT_SECRET": "cs", "AZURE_AUTHORITY_HOST": f.URL}
	t.Cleanup(f.Close)
	return f
}

func (f *fake) Provider(testing.TB) (provider.Provider, provider.Config) {
	f.Renew()
	return &Provider{getenv: func(k string) string { return f.env[k] }}, provider.Config{Settings: map[string]string{"vault": f.URL}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/tenant1/oauth2/v2.0/token" {
		if r.FormValue("client_secret") != "cs" || r.FormValue("scope") != "https://127.0.0.1/.default" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"access_token": "good", "expires_in": 3600})
		return
	}
	good := r.Header.Get("Authorization") == "Bearer good"
	if !good {
		ch := f.challenge
		if ch == "" {
			ch = fmt.Sprintf(`Bearer authorization="%s/tenant1", resource="https://127.0.0.1"`, f.URL)
		}
		w.Header().Set("WWW-Authenticate", ch)
	}
	if !f.Admit(w, good) {
		return
	}
	if r.URL.Query().Get("api-version") == "" {
		http.Error(w, `{"error":{"message":"api-version"}}`, http.StatusBadRequest)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/secrets/"); ok {
		s, status := f.Read(name)
		if status != http.StatusOK {
			http.Error(w, `{"error":{"message":"no"}}`, status)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"value": string(s.Value), "id": fmt.Sprintf("%s/secrets/%s/%d", f.URL, name, s.Version),
			"attributes": map[string]any{"updated": s.Changed}})
		return
	}
	f.page(w, r)
}

func (f *fake) page(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	all := f.All()
	list := []map[string]any{
		{"id": f.URL + "/secrets/certificate", "managed": true, "attributes": map[string]any{"enabled": true}},
		{"id": f.URL + "/secrets/disabled", "attributes": map[string]any{"enabled": false}},
	}
	for _, s := range all[from:min(len(all), from+25)] {
		list = append(list, map[string]any{"id": f.URL + "/secrets/" + s.Name, "attributes": map[string]any{"enabled": true, "updated": s.Changed}})
	}
	out := map[string]any{"value": list}
	if from+25 < len(all) {
		host := f.URL
		if f.nextHost != "" {
			host = f.nextHost
		}
		out["nextLink"] = fmt.Sprintf("%s/secrets?api-version=7.4&$skiptoken=%d&maxresults=25", host, from+25)
	}
	json.NewEncoder(w).Encode(out)
}

func TestConformance(t *testing.T) {
	name := func(n string) string { return strings.NewReplacer("_", "-", ".", "-").Replace(n) }
	providertest.Run(t, newFake(t), providertest.Traits{NoFolders: true, NoBinary: true, NoEmpty: true, MaxValue: 25 << 10, Name: name})
}

// TestChallenge: a vault cannot have credentials sent to a place of its choice.
func TestChallenge(t *testing.T) {
	for _, ch := range []string{
		`Bearer authorization="https://evil.example/tenant1", resource="https://127.0.0.1"`,
		`Bearer authorization="http://login.microsoftonline.com/tenant1", resource="https://127.0.0.1"`,
		`Bearer authorization="https://login.microsoftonline.com.evil.example/t", resource="https://127.0.0.1"`,
		`Bearer authorization="https://login.microsoftonline.com/t", resource="https://management.azure.com"`,
		`Bearer`, ` `, `Basic realm="x"`,
	} {
		f := newFake(t)
		f.challenge = ch
		p, c := f.Provider(t)
		if _, err := p.Configure(t.Context(), c); provider.CodeOf(err) != provider.Invalid {
			t.Errorf("%s: %v, want it refused", ch, err)
		}
	}
}

func TestNextPageStaysHere(t *testing.T) {
	f := newFake(t)
	f.nextHost = "https://evil.example"
	many := make([]providertest.Secret, 30)
	for i := range many {
		many[i] = providertest.Secret{Name: fmt.Sprintf("S%d", i), Value: []byte("v")}
	}
	f.Fill(t, many)
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	var last error
	for _, err := range p.List(t.Context(), provider.Query{}) {
		last = err
	}
	if provider.CodeOf(last) != provider.Invalid {
		t.Errorf("next page elsewhere: %v", last)
	}
}

func TestNoCredentials(t *testing.T) {
	f := newFake(t)
	t.Setenv("PATH", t.TempDir()) // no az
	f.env = map[string]string{"AZURE_AUTHORITY_HOST": f.URL}
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); provider.CodeOf(err) != provider.Unauthenticated || !strings.Contains(err.Error(), "managed identity") {
		t.Errorf("%v, want the doors", err)
	}
	f.env["AZURE_CLIENT_ID"], f.env["AZURE_CLIENT_SECRET"] = "id", "wrong"
	if _, err := p.Configure(t.Context(), c); provider.CodeOf(err) != provider.Unauthenticated {
		t.Errorf("wrong secret: %v", err)
	}
}

package doppler

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// fake speaks the endpoints that are used, as the API reference has them.
type fake struct {
	providertest.Store
	*httptest.Server
}

func newFake(t testing.TB) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) Provider(testing.TB) (provider.Provider, provider.Config) {
	f.Renew()
	env := map[string]string{"DOPPLER_TOKEN": "dp.st.good", "DOPPLER_API_HOST": f.URL}
	return &Provider{getenv: func(k string) string { return env[k] }},
		provider.Config{Settings: map[string]string{"project": "shop", "config": "prd"}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !f.Admit(w, r.Header.Get("Authorization") == "Bearer dp.st.good") {
		return
	}
	if r.URL.Path == "/v3/me" {
		json.NewEncoder(w).Encode(map[string]any{"workplace": map[string]string{"name": "Acme"}})
		return
	}
	if q.Get("project") != "shop" || q.Get("config") != "prd" {
		http.Error(w, `{"messages":["no such config"]}`, http.StatusNotFound)
		return
	}
	switch r.URL.Path {
	case "/v3/configs/config/secrets/names":
		names := own()
		for _, s := range f.All() {
			names = append(names, s.Name)
		}
		json.NewEncoder(w).Encode(map[string]any{"names": names, "success": true})
	case "/v3/configs/config/secrets":
		all := map[string]any{}
		for _, s := range f.All() {
			all[s.Name] = f.value(s.Name)
		}
		json.NewEncoder(w).Encode(map[string]any{"secrets": all})
	case "/v3/configs/config/secret":
		if _, ok := f.Look(q.Get("name")); !ok {
			http.Error(w, `{"messages":["Could not find requested secret"]}`, http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"name": q.Get("name"), "value": f.value(q.Get("name"))})
	default:
		http.NotFound(w, r)
	}
}

// value is null for a restricted secret, as a service token sees it.
func (f *fake) value(name string) map[string]any {
	s, status := f.Read(name)
	if status != http.StatusOK {
		return map[string]any{"raw": nil, "computed": nil}
	}
	return map[string]any{"raw": string(s.Value), "computed": string(s.Value)}
}

func TestConformance(t *testing.T) {
	providertest.Run(t, newFake(t), providertest.Traits{NoFolders: true, NoBinary: true})
}

func TestOneCallForAll(t *testing.T) {
	f := newFake(t)
	f.Fill(t, []providertest.Secret{{Name: "A", Value: []byte("1")}, {Name: "B", Value: []byte("2")}})
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.Throttle(0, 0)
	n := 0
	for r := range p.(provider.BatchFetcher).FetchBatch(t.Context(), []string{"A", "B", "C"}) {
		if want := map[string]string{"A": "1", "B": "2"}[r.Ref]; string(r.Item.Value) != want || (want == "") != (r.Err != nil) {
			t.Errorf("%s: %q, %v", r.Ref, r.Item.Value, r.Err)
		}
		n++
	}
	if n != 3 || f.Reads() != 2 {
		t.Errorf("%d results, %d reads", n, f.Reads())
	}
}

func TestNoToken(t *testing.T) {
	p := &Provider{getenv: func(string) string { return "" }}
	if _, err := p.Configure(t.Context(), provider.Config{}); provider.CodeOf(err) != provider.Unauthenticated {
		t.Error(err)
	}
}

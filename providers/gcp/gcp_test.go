package gcp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// fake speaks the methods that are used, as the REST reference has them.
type fake struct {
	providertest.Store
	*httptest.Server
	damage bool
}

func newFake(t testing.TB) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) Provider(testing.TB) (provider.Provider, provider.Config) {
	f.Renew()
	env := map[string]string{"GOOGLE_OAUTH_ACCESS_TOKEN": "good"}
	return &Provider{getenv: func(k string) string { return env[k] }},
		provider.Config{Settings: map[string]string{"project": "p1", "endpoint": f.URL}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !f.Admit(w, r.Header.Get("Authorization") == "Bearer good") {
		return
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/projects/p1/secrets")
	if !ok {
		http.Error(w, `{"error":{"message":"no such project"}}`, http.StatusForbidden)
		return
	}
	name, what, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	switch what {
	case "":
		f.page(w, r)
	case "versions/latest":
		if s, ok := f.Look(name); ok {
			json.NewEncoder(w).Encode(map[string]any{"name": versionName(s), "state": "ENABLED"})
			return
		}
		http.Error(w, `{"error":{"message":"not found"}}`, http.StatusNotFound)
	case "versions/latest:access":
		s, status := f.Read(name)
		if status != http.StatusOK {
			http.Error(w, `{"error":{"message":"no"}}`, status)
			return
		}
		sum := checksum(s.Value)
		if f.damage {
			sum = "1"
		}
		json.NewEncoder(w).Encode(map[string]any{"name": versionName(s),
			"payload": map[string]string{"data": base64.StdEncoding.EncodeToString(s.Value), "dataCrc32c": sum}})
	default:
		http.NotFound(w, r)
	}
}

func versionName(s providertest.Stored) string {
	return fmt.Sprintf("projects/1/secrets/%s/versions/%d", s.Name, s.Version)
}

// page gives out at most 50 at once, whatever is asked for, as the service may,
// and an empty page with a token in between.
func (f *fake) page(w http.ResponseWriter, r *http.Request) {
	from, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("pageToken"), "empty"))
	all := f.All()
	out := map[string]any{}
	if r.URL.Query().Get("pageToken") == "" && len(all) > 50 {
		out["nextPageToken"] = "empty0"
		json.NewEncoder(w).Encode(out)
		return
	}
	secrets := []map[string]string{}
	for _, s := range all[from:min(len(all), from+50)] {
		secrets = append(secrets, map[string]string{"name": "projects/1/secrets/" + s.Name})
	}
	out["secrets"] = secrets
	if from+50 < len(all) {
		out["nextPageToken"] = strconv.Itoa(from + 50)
	}
	json.NewEncoder(w).Encode(out)
}

func TestConformance(t *testing.T) {
	providertest.Run(t, newFake(t), providertest.Traits{NoFolders: true, MaxValue: 64 << 10})
}

func TestChecksum(t *testing.T) {
	f := newFake(t)
	f.Fill(t, []providertest.Secret{{Name: "A", Value: []byte("123456789")}})
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.damage = true
	if i, err := p.Fetch(t.Context(), "A"); provider.CodeOf(err) != provider.Unavailable || len(i.Value) > 0 {
		t.Errorf("damaged: %q, %v", i.Value, err)
	}
	if got := checksum([]byte("123456789")); got != "3808858755" { // CRC-32C's check value, 0xE3069283
		t.Errorf("checksum %s", got)
	}
}

func TestNoCredentials(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("CLOUDSDK_CONFIG", dir)
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	t.Setenv("NO_GCE_CHECK", "true")
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"type":"hunter2"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", bad)
	_, err := (&Provider{}).Configure(t.Context(), provider.Config{Settings: map[string]string{"project": "p", "endpoint": "https://secretmanager.googleapis.com"}})
	if provider.CodeOf(err) != provider.Unauthenticated || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

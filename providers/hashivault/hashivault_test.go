package hashivault

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// fake speaks the KV engines and two logins as the documentation has them.
type fake struct {
	providertest.Store
	*httptest.Server
	v1, bao bool
	objects map[string]string // path -> JSON instead of {"value": ...}
	env     map[string]string
}

func newFake(t testing.TB) *fake {
	f := &fake{env: map[string]string{"VAULT_TOKEN": "good"}}
	f.Server = httptest.NewServer(f)
	f.env["VAULT_ADDR"] = f.URL
	t.Cleanup(f.Close)
	return f
}

func (f *fake) Provider(testing.TB) (provider.Provider, provider.Config) {
	f.Renew()
	return &Provider{getenv: func(k string) string { return f.env[k] }}, provider.Config{Settings: map[string]string{"mount": "secret"}}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		f.login(w, r)
		return
	}
	if !f.Admit(w, r.Header.Get("X-Vault-Token") == "good") {
		return
	}
	if r.URL.Path == "/v1/sys/internal/ui/mounts/secret" {
		version := map[bool]string{true: "1", false: "2"}[f.v1]
		answer(w, map[string]any{"type": "kv", "options": map[string]string{"version": version}})
		return
	}
	kind, at := "", strings.TrimPrefix(r.URL.Path, "/v1/secret/")
	if !f.v1 {
		kind, at, _ = strings.Cut(at, "/")
	}
	switch {
	case r.Method == "SCAN" && f.bao && kind == "detailed-metadata":
		f.scan(w, at)
	case r.Method == "LIST" && (f.v1 || kind == "metadata"):
		f.list(w, at)
	case r.Method == "GET" && kind == "metadata":
		if s, ok := f.Look(at); ok {
			answer(w, describe(s))
			return
		}
		http.Error(w, `{"errors":[]}`, http.StatusNotFound)
	case r.Method == "GET" && (f.v1 || kind == "data"):
		f.data(w, at)
	default:
		http.Error(w, `{"errors":["unsupported operation"]}`, http.StatusMethodNotAllowed)
	}
}

func describe(s providertest.Stored) map[string]any {
	return map[string]any{"current_version": s.Version, "updated_time": time.Unix(s.Changed, 0).UTC()}
}

func answer(w http.ResponseWriter, data any) { json.NewEncoder(w).Encode(map[string]any{"data": data}) }

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	json.NewDecoder(r.Body).Decode(&in)
	ok := r.URL.Path == "/v1/auth/approle/login" && in["secret_id"] == "sid" || r.URL.Path == "/v1/auth/userpass/login/ann" && in["password"] == "pw"
	if !ok {
		http.Error(w, `{"errors":["invalid role or secret ID"]}`, http.StatusBadRequest)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{"auth": map[string]string{"client_token": "good"}})
}

func (f *fake) list(w http.ResponseWriter, dir string) {
	keys := []string{}
	for _, s := range f.All() {
		at := strings.TrimPrefix(s.Path+"/"+s.Name, "/")
		rest, ok := strings.CutPrefix(at, dir)
		if !ok {
			continue
		}
		if first, _, deep := strings.Cut(rest, "/"); deep {
			rest = first + "/"
		}
		if !slices.Contains(keys, rest) {
			keys = append(keys, rest)
		}
	}
	if len(keys) == 0 {
		http.Error(w, `{"errors":[]}`, http.StatusNotFound)
		return
	}
	answer(w, map[string]any{"keys": keys})
}

func (f *fake) scan(w http.ResponseWriter, dir string) {
	keys, info := []string{}, map[string]any{}
	for _, s := range f.All() {
		if at, ok := strings.CutPrefix(strings.TrimPrefix(s.Path+"/"+s.Name, "/"), dir); ok {
			keys, info[at] = append(keys, at), describe(s)
		}
	}
	answer(w, map[string]any{"keys": keys, "key_info": info})
}

func (f *fake) data(w http.ResponseWriter, at string) {
	s, status := f.Read(at)
	if status != http.StatusOK {
		http.Error(w, `{"errors":["`+strconv.Itoa(status)+`"]}`, status)
		return
	}
	data, _ := json.Marshal(map[string]string{"value": string(s.Value)})
	if o := f.objects[at]; o != "" {
		data = []byte(o)
	}
	if f.v1 {
		answer(w, json.RawMessage(data))
		return
	}
	answer(w, map[string]any{"data": json.RawMessage(data), "metadata": map[string]any{"version": s.Version}})
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*fake){"KV2": func(*fake) {}, "KV1": func(f *fake) { f.v1 = true }, "OpenBao": func(f *fake) { f.bao = true }} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			change(f)
			providertest.Run(t, f, providertest.Traits{NoBinary: true})
		})
	}
}

func TestObjectsStayAsTheyAre(t *testing.T) {
	f := newFake(t)
	f.Fill(t, []providertest.Secret{{Path: "db", Name: "prod", Value: []byte("x")}})
	f.objects = map[string]string{"db/prod": `{"user": "ann", "port": 5432, "big": 12345678901234567890, "rate": 1.10}`}
	p, c := f.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	i, err := p.Fetch(t.Context(), "db/prod")
	if want := `{"user":"ann","port":5432,"big":12345678901234567890,"rate":1.10}`; err != nil || string(i.Value) != want {
		t.Errorf("%s, %v, want %s", i.Value, err, want)
	}
}

func TestDoors(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		door string
		code provider.Code
	}{
		"approle":    {map[string]string{"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "sid"}, "approle", 0},
		"userpass":   {map[string]string{"VAULT_USERNAME": "ann", "VAULT_PASSWORD": "pw"}, "userpass", 0},
		"wrong":      {map[string]string{"VAULT_ROLE_ID": "r", "VAULT_SECRET_ID": "no"}, "", provider.Unauthenticated},
		"none":       {nil, "", provider.Unauthenticated},
		"bad token":  {map[string]string{"VAULT_TOKEN": "old"}, "", provider.Unauthenticated},
		"no address": {map[string]string{"VAULT_ADDR": "-", "VAULT_TOKEN": "good"}, "", provider.Invalid},
	} {
		f := newFake(t)
		env := map[string]string{"VAULT_ADDR": f.URL}
		for k, v := range c.env {
			env[k] = strings.TrimPrefix(v, "-")
		}
		p := &Provider{getenv: func(k string) string { return env[k] }}
		a, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"mount": "secret"}})
		if provider.CodeOf(err) != c.code || a.Door != c.door {
			t.Errorf("%s: %q, %v", name, a.Door, err)
		}
		if name == "none" && !strings.Contains(err.Error(), "approle") {
			t.Errorf("%v does not name the doors", err)
		}
	}
}

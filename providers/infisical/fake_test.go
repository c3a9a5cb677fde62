package infisical

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// fake is an Infisical server as its documentation describes it: folders,
// imports, machine identities, versions 4 and 3 of the secrets endpoints.
type fake struct {
	*httptest.Server
	mu       sync.Mutex
	secrets  map[string]*stored // by absolute path
	imports  []providertest.Secret
	version  int
	only3    bool
	denied   map[string]bool
	throttle int
	after    time.Duration
	logins   int
	good     map[string]bool // tokens
	reads    int
}

type stored struct {
	id      int
	version int
	value   string
}

func newFake(t testing.TB) *fake {
	f := &fake{secrets: map[string]*stored{}, denied: map[string]bool{}, good: map[string]bool{"static-token": true}}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

func (f *fake) Fill(_ testing.TB, secrets []providertest.Secret) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.secrets
	f.secrets, f.denied = map[string]*stored{}, map[string]bool{}
	for _, s := range secrets {
		at := "/" + path.Join(s.Path, s.Name)
		f.version++
		n := &stored{id: f.version, version: 1, value: string(s.Value)}
		if o := old[at]; o != nil {
			n.id, n.version = o.id, o.version
			if o.value != n.value {
				n.version++
			}
		}
		f.secrets[at] = n
	}
}

func (f *fake) Provider(testing.TB) (provider.Provider, provider.Config) {
	env := map[string]string{
		"INFISICAL_API_URL":                      f.URL,
		"INFISICAL_UNIVERSAL_AUTH_CLIENT_ID":     "id",
		"INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET": "client-secret",
	}
	return &Provider{getenv: func(k string) string { return env[k] }},
		provider.Config{Settings: map[string]string{"project": "p1", "env": "dev", "path": "/"}}
}

func (f *fake) Throttle(n int, after time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.throttle, f.after = n, after
}

func (f *fake) Deny(dir, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.denied["/"+path.Join(dir, name)] = true
}

func (f *fake) Delete(dir, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.secrets, "/"+path.Join(dir, name))
}

func (f *fake) Expire(int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.good = map[string]bool{}
}

func (f *fake) Reads() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reads
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/login") {
		f.login(w, r)
		return
	}
	base := "/api/v4/secrets"
	if f.only3 {
		base = "/api/v3/secrets/raw"
	}
	rest, ok := strings.CutPrefix(r.URL.Path, base)
	q := r.URL.Query()
	project := q.Get("projectId")
	if f.only3 {
		project = q.Get("workspaceId")
	}
	switch {
	case !f.good[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]:
		say(w, 401, "Token is not valid")
	case !ok:
		say(w, 404, "Route GET:"+r.URL.Path+" not found")
	case f.throttle > 0:
		f.throttle--
		if f.after > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(f.after.Seconds())))
		}
		say(w, 429, "Rate limit exceeded")
	case project != "p1":
		say(w, 404, "Project not found")
	case rest == "":
		f.list(w, q.Get("secretPath"), q.Get("recursive") == "true", q.Get("viewSecretValue") != "false", q.Get("includeImports") == "true")
	default:
		f.read(w, path.Join(q.Get("secretPath"), rest))
	}
}

func (f *fake) login(w http.ResponseWriter, r *http.Request) {
	var in map[string]string
	json.NewDecoder(r.Body).Decode(&in)
	if in["clientSecret"] != "client-secret" && in["jwt"] != "good-jwt" && in["password"] != "good-password" && in["iamRequestBody"] != "signed" {
		say(w, 401, "Invalid credentials")
		return
	}
	f.logins++
	token := fmt.Sprint("token-", f.logins)
	f.good[token] = true
	answer(w, map[string]any{"accessToken": token, "expiresIn": 7200, "tokenType": "Bearer"})
}

func (f *fake) list(w http.ResponseWriter, root string, recursive, values, imports bool) {
	all := []map[string]any{}
	for at, s := range f.secrets {
		dir := path.Dir(at)
		if dir == root || recursive && strings.HasPrefix(dir+"/", strings.TrimSuffix(root, "/")+"/") {
			all = append(all, f.row(at, s, values))
		}
	}
	out := map[string]any{"secrets": all, "imports": []any{}}
	if imports && len(f.imports) > 0 {
		var rows []map[string]any
		for _, s := range f.imports {
			rows = append(rows, map[string]any{"id": "i", "secretKey": s.Name, "secretValue": string(s.Value), "version": 1, "secretPath": "/" + s.Path})
		}
		out["imports"] = []any{map[string]any{"secretPath": "/" + f.imports[0].Path, "environment": "shared", "secrets": rows}}
	}
	answer(w, out)
}

func (f *fake) row(at string, s *stored, value bool) map[string]any {
	m := map[string]any{"id": fmt.Sprint(s.id), "secretKey": path.Base(at), "secretPath": path.Dir(at), "version": s.version,
		"updatedAt": "2026-01-02T03:04:05.000Z", "secretValueHidden": !value, "secretValue": "<hidden-by-infisical>"}
	if value {
		f.reads++
		m["secretValue"] = s.value
	}
	return m
}

func (f *fake) read(w http.ResponseWriter, at string) {
	s := f.secrets[at]
	for _, i := range f.imports {
		if at == "/"+path.Join(i.Path, i.Name) {
			s = &stored{id: 1, version: 1, value: string(i.Value)}
		}
	}
	switch {
	case f.denied[at]:
		say(w, 403, "You are not allowed to read this secret")
	case s == nil:
		say(w, 404, "Secret with name '"+path.Base(at)+"' not found")
	default:
		answer(w, map[string]any{"secret": f.row(at, s, true)})
	}
}

func say(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	answer(w, map[string]any{"statusCode": status, "message": message})
}

func answer(w http.ResponseWriter, v any) { json.NewEncoder(w).Encode(v) }

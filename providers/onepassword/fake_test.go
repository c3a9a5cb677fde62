package onepassword

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// account is what both doors show: vaults with items. It is a Connect server,
// and op answers from it too.
type account struct {
	*httptest.Server
	mu       sync.Mutex
	items    []*record
	clock    time.Time
	denied   map[string]bool
	throttle int
	after    time.Duration
	expired  bool
	reads    int
	viaOp    bool
}

type record struct {
	vault, id, title string
	version          int
	updated          time.Time
	fields           []field
}

func newAccount(t testing.TB) *account {
	a := &account{clock: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

// id gives what 1Password makes up: 26 letters and digits.
func id(of string) string {
	sum := sha256.Sum256([]byte(of))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

func vaultOf(path string) string { return id("vault " + path) }

func (a *account) Fill(_ testing.TB, secrets []providertest.Secret) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.items
	a.items, a.denied = nil, map[string]bool{}
	a.clock = a.clock.Add(time.Minute)
	for n, s := range secrets {
		r := &record{vault: s.Path, id: id(fmt.Sprint("item", n)), title: s.Name, version: 1, updated: a.clock,
			fields: []field{{ID: "credential", Label: "credential", Type: "CONCEALED", Value: string(s.Value)}, {ID: "notesPlain", Type: "STRING", Purpose: "NOTES"}}}
		for _, o := range old {
			if o.title == s.Name && o.vault == s.Path {
				r.id, r.version, r.updated = o.id, o.version, o.updated
				if o.fields[0].Value != string(s.Value) {
					r.version, r.updated = o.version+1, a.clock
				}
			}
		}
		a.items = append(a.items, r)
	}
}

func (a *account) Provider(testing.TB) (provider.Provider, provider.Config) {
	a.mu.Lock()
	a.expired = false
	a.mu.Unlock()
	p := New()
	env := map[string]string{"OP_CONNECT_HOST": a.URL, "OP_CONNECT_TOKEN": "good"}
	if a.viaOp {
		env = nil
	}
	p.getenv = func(k string) string { return env[k] }
	if a.viaOp {
		return viaOp{p, a}, provider.Config{}
	}
	return p, provider.Config{}
}

func (a *account) Throttle(n int, after time.Duration) { a.throttle, a.after = n, after }
func (a *account) Deny(_, name string)                 { a.denied[name] = true }
func (a *account) Expire(int)                          { a.mu.Lock(); a.expired = true; a.mu.Unlock() }
func (a *account) Reads() int                          { return a.reads }
func (a *account) Delete(_, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.items = slices.DeleteFunc(a.items, func(r *record) bool { return r.title == name })
}

// vaults always has the root one, which is where a secret without a path is.
func (a *account) vaults() []vault {
	v := []vault{{ID: vaultOf(""), Name: ""}}
	for _, r := range a.items {
		if !slices.ContainsFunc(v, func(v vault) bool { return v.Name == r.vault }) {
			v = append(v, vault{ID: vaultOf(r.vault), Name: r.vault})
		}
	}
	return v
}

func (a *account) find(vault, id string) *record {
	for _, r := range a.items {
		if vaultOf(r.vault) == vault && r.id == id {
			return r
		}
	}
	return nil
}

func (a *account) row(r *record, full bool, updated string) map[string]any {
	m := map[string]any{"id": r.id, "title": r.title, "version": r.version, "category": "API_CREDENTIAL",
		"vault": map[string]any{"id": vaultOf(r.vault)}, updated: r.updated}
	if full {
		a.reads++
		m["fields"] = r.fields
	}
	return m
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	part := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	w.Header().Set("Content-Type", "application/json")
	switch {
	case a.expired || r.Header.Get("Authorization") != "Bearer good":
		fail(w, 401, "Invalid token signature")
	case a.throttle > 0:
		a.throttle--
		if a.after > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int(a.after.Seconds())))
		}
		fail(w, 429, "slow down")
	case len(part) == 2:
		json.NewEncoder(w).Encode(a.vaults())
	case len(part) == 4:
		json.NewEncoder(w).Encode(a.list(part[2], "updatedAt"))
	case a.find(part[2], part[4]) == nil:
		fail(w, 404, "Item not found")
	case a.denied[a.find(part[2], part[4]).title]:
		fail(w, 403, "Token does not have permission")
	default:
		json.NewEncoder(w).Encode(a.row(a.find(part[2], part[4]), true, "updatedAt"))
	}
}

func (a *account) list(vault, updated string) []map[string]any {
	out := []map[string]any{}
	for _, i := range a.items {
		if vaultOf(i.vault) == vault {
			out = append(out, a.row(i, false, updated))
		}
	}
	return out
}

func fail(w http.ResponseWriter, status int, message string) {
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"status": status, "message": message})
}

// viaOp is the provider with op answering from the account.
type viaOp struct {
	*Provider
	a *account
}

func (v viaOp) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	v.door, v.vault = command{path: "/op", run: v.a.op}, c.Settings["vault"]
	who, err := v.door.whose(ctx)
	return provider.Account{Name: who}, err
}

// op answers as the command does, version 2 with --format json.
func (a *account) op(ctx context.Context, _ string, args ...string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ctx.Err() != nil {
		return nil, provider.Errorf(provider.Unknown, "cancelled")
	}
	if a.expired {
		return nil, said("[ERROR] 2026/01/01 00:00:00 You are not currently signed in. Please run `op signin --help`")
	}
	if a.throttle > 0 {
		a.throttle--
		return nil, said("[ERROR] 2026/01/01 00:00:00 (429) Too Many Requests: rate limit")
	}
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "whoami --format":
		return json.Marshal(map[string]string{"url": "https://my.1password.com", "email": "a@example.com"})
	case "vault list":
		return json.Marshal(a.vaults())
	case "item list":
		return json.Marshal(a.list(args[3], "updated_at"))
	case "item get":
		r := a.find(args[4], args[2])
		if r == nil {
			return nil, said(fmt.Sprintf("[ERROR] 2026/01/01 00:00:00 %q isn't an item. Specify the item with its UUID", args[2]))
		}
		if a.denied[r.title] {
			return nil, said("[ERROR] 2026/01/01 00:00:00 (403) Forbidden")
		}
		return json.Marshal(a.row(r, true, "updated_at"))
	}
	return nil, said("[ERROR] unknown command")
}

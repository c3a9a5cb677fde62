package onepassword

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

func TestConformanceConnect(t *testing.T) {
	providertest.Run(t, newAccount(t), providertest.Traits{NoBinary: true})
}

func TestConformanceCommand(t *testing.T) {
	a := newAccount(t)
	a.viaOp = true
	// The suite asks for Retry-After too, which op does not pass on.
	var s providertest.Service = struct {
		providertest.Service
		providertest.Denier
		providertest.Deleter
		providertest.Expirer
		providertest.Counter
	}{a, a, a, a, a}
	providertest.Run(t, s, providertest.Traits{NoBinary: true})
}

func TestCommandThrottled(t *testing.T) {
	if err := said("(429) Too Many Requests"); provider.CodeOf(err) != provider.Throttled {
		t.Errorf("%v", err)
	}
}

// TestFields: what an item's fields become.
func TestFields(t *testing.T) {
	a := newAccount(t)
	section := &struct {
		ID    string `json:"id"`
		Label string `json:"label"`
	}{"s1", "backup"}
	a.items = []*record{
		{id: "login", title: "login", fields: []field{
			{ID: "username", Label: "username", Value: "ann"}, {ID: "password", Label: "password", Value: `p"w`}, {ID: "notesPlain"}}},
		{id: "twice", title: "twice", fields: []field{
			{ID: "f1", Label: "key", Value: "one"}, {ID: "f2", Label: "key", Value: "two", Section: section}}},
		{id: "blank", title: "blank", fields: []field{{ID: "f1", Label: "key"}}},
	}
	p, c := a.Provider(t)
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"login": `{"username":"ann","password":"p\"w"}`,
		"twice": `{"f1":"one","backup_key":"two"}`,
		"blank": "",
	} {
		i, err := p.Fetch(t.Context(), vaultOf("")+"/"+id)
		if err != nil || string(i.Value) != want {
			t.Errorf("%s: %s, %v, want %s", id, i.Value, err, want)
		}
	}
}

func TestVaultSetting(t *testing.T) {
	a := newAccount(t)
	a.Fill(t, []providertest.Secret{{Path: "one", Name: "A", Value: []byte("x")}, {Path: "two", Name: "B", Value: []byte("y")}})
	p, c := a.Provider(t)
	c.Settings = map[string]string{"vault": "two"}
	if _, err := p.Configure(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil || e.Name != "B" || e.Path != "" {
			t.Errorf("%+v, %v", e, err)
		}
	}
	c.Settings["vault"] = "three"
	p.Configure(t.Context(), c)
	for _, err := range p.List(t.Context(), provider.Query{}) {
		if provider.CodeOf(err) != provider.NotFound {
			t.Errorf("missing vault: %v", err)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	p := New()
	p.getenv = func(string) string { return "" }
	_, err := p.Configure(t.Context(), provider.Config{})
	if provider.CodeOf(err) != provider.Unauthenticated || !strings.Contains(err.Error(), "Connect") {
		t.Errorf("error %v, want the doors that were tried", err)
	}
}

// TestRealCommand runs a script in op's place, as a process.
func TestRealCommand(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ncase \"$1\" in\nwhoami) echo '{\"url\":\"u\",\"email\":\"e\"}';;\n" +
		"*) echo \"[ERROR] value canary-123 (403) Forbidden\" >&2; exit 1;;\nesac\n"
	if err := os.WriteFile(filepath.Join(dir, "op"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	p := New()
	p.getenv = func(string) string { return "" }
	a, err := p.Configure(t.Context(), provider.Config{})
	if err != nil || a.Name != "e at u" || a.Door != "op command, signed in" {
		t.Errorf("account %+v, %v", a, err)
	}
	_, err = p.Fetch(t.Context(), "v/i")
	if provider.CodeOf(err) != provider.Denied || strings.Contains(err.Error(), "canary") {
		t.Errorf("error %v", err)
	}
	if _, err := p.Fetch(t.Context(), "v/--help"); provider.CodeOf(err) != provider.Invalid {
		t.Errorf("a reference that looks like a flag: %v", err)
	}
}

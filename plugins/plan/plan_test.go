package plan

import (
	"errors"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/sdk/provider"
)

func TestNames(t *testing.T) {
	for _, c := range []struct {
		m          Mapping
		path, name string
		key, want  string
	}{
		{Mapping{}, "prod/db", "password", "", "PASSWORD"},
		{Mapping{Full: true}, "/prod/db", "pass-word", "", "PROD_DB_PASS_WORD"},
		{Mapping{Case: "keep"}, "", "api.Key", "", "api_Key"},
		{Mapping{}, "", "9lives", "", "_9LIVES"},
		{Mapping{}, "", "pässword", "", "P__SSWORD"},
		{Mapping{StripPrefix: "shop-"}, "", "shop-token", "", "TOKEN"},
		{Mapping{Rewrite: []string{"prod/(.*)/(.*)=>${2}_of_$1", ".*=>X"}}, "prod/db", "user", "", "USER_OF_DB"},
		{Mapping{}, "", "db", "port", "DB_PORT"},
		{Mapping{Sep: "__"}, "", "db", "port", "DB__PORT"},
		{Mapping{}, "", "", "", ""},
		{Mapping{}, "", strings.Repeat("a", 129), "", ""},
	} {
		got, err := c.m.Name(provider.Entry{Path: c.path, Name: c.name}, c.key)
		if (err != nil) != (c.want == "") || err == nil && got != c.want {
			t.Errorf("%+v of %s/%s %s: %q, %v, want %q", c.m, c.path, c.name, c.key, got, err, c.want)
		}
	}
}

func TestSplit(t *testing.T) {
	whole := []string{`text`, `"text"`, `[1,2]`, `{}`, `{"a":{"b":1}}`, `{"a":[1]}`, `{"a":null}`, `{"a":1}{"b":2}`, `{"a":1`, `{"":1}`,
		`{"type":"service_account","private_key":"x"}`, `{"kty":"RSA","n":"x"}`, "-----BEGIN KEY-----"}
	for _, text := range whole {
		parts, err := Mapping{}.Split(secret.New([]byte(text)))
		if err != nil || len(parts) != 1 || parts[0].Key != "" || string(parts[0].Value.Reveal()) != text {
			t.Errorf("%s: %d parts, %v, want it whole", text, len(parts), err)
		}
		if parts, err := (Mapping{Flatten: Always}).Split(secret.New([]byte(text))); err == nil && len(parts) < 2 {
			t.Errorf("%s: always made %d parts of it", text, len(parts))
		}
	}
	v := secret.New([]byte(` {"a":"x","n":1.10,"big":12345678901234567890,"t":true}`))
	parts, err := Mapping{}.Split(v)
	got := ""
	for _, p := range parts {
		got += p.Key + "=" + string(p.Value.Reveal()) + " "
	}
	if want := "a=x n=1.10 big=12345678901234567890 t=true "; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if strings.Trim(string(v.Reveal()), "\x00") != "" {
		t.Error("the whole value was not wiped")
	}
	if parts, err := (Mapping{Flatten: Never}).Split(secret.New([]byte(`{"a":"x"}`))); err != nil || len(parts) != 1 || parts[0].Key != "" {
		t.Errorf("never: %v", err)
	}
	_, err = Mapping{}.Split(secret.New([]byte(`{"a":"hunter2","a":"x"}`)))
	if !errors.Is(err, ErrDuplicate) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("duplicate keys: %v", err)
	}
}

// TestKnown: only what is whole, from here, by the same choices and at the same
// token is not read again.
func TestKnown(t *testing.T) {
	m := Mapping{App: "a", Env: "e"}
	p := New(m)
	p.Provider, p.Account = "x", "me"
	info := func(change func(*agent.Origin)) agent.Info {
		o := agent.Origin{Source: "x: me", Ref: "r", Token: "t1", Parts: 1, Mapping: m.Digest()}
		change(&o)
		return agent.Info{Ref: secret.Ref{App: "a", Env: "e", Name: "R"}, Version: 1, Origin: &o}
	}
	entry := []provider.Entry{{Ref: "r", Name: "r", ChangeToken: "t1"}}
	for name, c := range map[string]struct {
		change func(*agent.Origin)
		read   int
	}{
		"the same":      {func(*agent.Origin) {}, 0},
		"another token": {func(o *agent.Origin) { o.Token = "t0" }, 1},
		"no token":      {func(o *agent.Origin) { o.Token = "" }, 1},
		"a part gone":   {func(o *agent.Origin) { o.Parts = 2 }, 1},
		"another way":   {func(o *agent.Origin) { o.Mapping = "other" }, 1},
		"other account": {func(o *agent.Origin) { o.Source = "x: you" }, 1},
		"another entry": {func(o *agent.Origin) { o.Ref = "q" }, 1},
	} {
		p.Rows = nil
		if got := len(p.Known(entry, []agent.Info{info(c.change)})); got != c.read || len(p.Rows) != 1-c.read {
			t.Errorf("%s: %d entries to read, %d rows", name, got, len(p.Rows))
		}
	}
}

func TestCheck(t *testing.T) {
	good := Mapping{App: "a", Env: "e"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Mapping){
		func(m *Mapping) { m.App = "A" }, func(m *Mapping) { m.Flatten = "maybe" }, func(m *Mapping) { m.Case = "title" }, func(m *Mapping) { m.Sep = "-" },
		func(m *Mapping) { m.Match = []string{"["} }, func(m *Mapping) { m.Rewrite = []string{"(=>x"} }, func(m *Mapping) { m.Rewrite = []string{"x"} },
	} {
		m := good
		if change(&m); m.Check() == nil {
			t.Errorf("%+v is taken", m)
		}
	}
}

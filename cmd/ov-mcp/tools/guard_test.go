package tools

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

func granted(name, value string) agent.Secret {
	return agent.Secret{Ref: secret.Ref{App: "a", Env: "e", Name: name}, Value: secret.New([]byte(value))}
}

// TestGranted compares the rolling hash with a plain search, for values and texts
// of two letters, in which everything nearly occurs.
func TestGranted(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('a' + r.IntN(2))
		}
		return string(b)
	}
	for range 300 {
		g := newGuard()
		var values []string
		for i := range 1 + r.IntN(4) {
			v := word(minKnown + r.IntN(4))
			values = append(values, v)
			g.learn([]agent.Secret{granted(fmt.Sprint("N", i), v)})
		}
		for range 20 {
			text := word(r.IntN(40))
			want := false
			for _, v := range values {
				want = want || strings.Contains(text, v)
			}
			if got := g.granted([]byte(text)); (got != "") != want {
				t.Fatalf("values %q in %q: found %q, want %v", values, text, got, want)
			}
		}
	}
}

// TestLearn: short and plain values are not looked for, equal ones once, and no
// number of them fills the memory.
func TestLearn(t *testing.T) {
	g := newGuard()
	plain := granted("P", "a plain value")
	plain.Plain = true
	g.learn([]agent.Secret{granted("S", "short"), plain, granted("A", "the same value"), granted("B", "the same value")})
	if g.count != 1 || g.granted([]byte("x the same value y")) != "A" || g.granted([]byte("short a plain value")) != "" {
		t.Errorf("%d values known", g.count)
	}
	many := make([]agent.Secret, maxKnown+10)
	for i := range many {
		many[i] = granted("N", fmt.Sprintf("value number %d", i))
	}
	g.learn(many)
	if g.count != maxKnown {
		t.Errorf("%d values known", g.count)
	}
}

// TestCheckLooksEverywhere: in values, in names, however deep.
func TestCheckLooksEverywhere(t *testing.T) {
	g := look{guard: newGuard()}
	g.learn([]agent.Secret{granted("KEY", "hunter2-hunter2")})
	for _, args := range []string{
		`{"a": "x hunter2-hunter2 y"}`, `{"a": ["b", "hunter2-hunter2"]}`, `{"a": {"hunter2-hunter2": 1}}`, `{"a": {"b": [{"c": "hunter2-hunter2"}]}}`,
		`{"a": "\u0068unter2-hunter2"}`,
	} {
		if name, what, err := g.check(asked(args).raw); name != "a" || what != "the value of KEY" || err != nil {
			t.Errorf("%s: %q, %q, %v", args, name, what, err)
		}
	}
	for _, args := range []string{`{}`, `{"a": "hunter2"}`, `{"a": 1, "b": null, "c": [true, 2.5]}`} {
		if _, what, err := g.check(asked(args).raw); what != "" || err != nil {
			t.Errorf("%s: %q, %v", args, what, err)
		}
	}
	if _, _, err := g.check(map[string]json.RawMessage{"a": json.RawMessage("{")}); err == nil {
		t.Error("what is no JSON was let through")
	}
}

// TestMode: only the sealed policy of an open vault loosens.
func TestMode(t *testing.T) {
	for _, tt := range []struct {
		s    agent.Status
		wish string
		want string
	}{
		{agent.Status{Running: true, WarnOnly: true}, "", modeWarn},
		{agent.Status{Running: true, WarnOnly: true}, "warn", modeWarn},
		{agent.Status{Running: true, WarnOnly: true}, "block", modeBlock},
		{agent.Status{Running: true, WarnOnly: true}, "off", modeBlock},
		{agent.Status{Running: true, WarnOnly: true, Locked: true}, "", modeBlock},
		{agent.Status{WarnOnly: true}, "", modeBlock},
		{agent.Status{Running: true}, "warn", modeBlock},
		{agent.Status{Running: true}, "", modeBlock},
	} {
		tools := New(Config{Getenv: func(string) string { return tt.wish }})
		if got := tools.mode(tt.s); got != tt.want {
			t.Errorf("%+v, OV_INTERCEPT_MODE=%q: %s, want %s", tt.s, tt.wish, got, tt.want)
		}
	}
}

// TestChildEnviron: what a command inherits of the server is a closed list.
func TestChildEnviron(t *testing.T) {
	got := childEnviron([]string{"HOME=/h", "PATH=/p", "LC_ALL=C", "OV_PASSWORD=x", "ANTHROPIC_API_KEY=x", "LD_PRELOAD=x", "HTTPS_PROXY=p", "home=x"})
	if want := "HOME=/h PATH=/p LC_ALL=C HTTPS_PROXY=p CI=1 GIT_TERMINAL_PROMPT=0 PAGER=cat"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := importEnviron([]string{"HOME=/h", "OV_PASSWORD_FILE=x", "AWS_PROFILE=p"}); strings.Join(got, " ") != "HOME=/h AWS_PROFILE=p" {
		t.Errorf("%q", got)
	}
}

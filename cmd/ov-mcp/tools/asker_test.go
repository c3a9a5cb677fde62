package tools

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func asked(args string) *call {
	c := &call{client: "mcp:x", raw: map[string]json.RawMessage{}}
	if err := json.Unmarshal([]byte(args), &c.raw); err != nil {
		panic(err)
	}
	return c
}

// TestState: what a client carries from a question to the retry opens for that
// very call alone, unchanged, for three minutes, and at this server.
func TestState(t *testing.T) {
	a := newAsker()
	s := state{Kind: "confirm", Confirmed: 3, Until: time.Now().Add(pageLife).Unix()}
	c := asked(`{"name": "A", "app": "shop"}`)
	text := a.seal(c, "vault_delete_secret", s)
	if got, err := a.open(asked(`{"app": "shop", "name": "A"}`), "vault_delete_secret", text); err != nil || got != s {
		t.Fatalf("the same call, its arguments in another order: %+v, %v", got, err)
	}
	refused := func(why string, a asker, c *call, tool, text string) {
		t.Helper()
		if _, err := a.open(c, tool, text); err == nil || explain(err).code != "invalid_arguments" {
			t.Errorf("%s: %v", why, err)
		}
	}
	refused("another tool", a, c, "vault_update_secret", text)
	refused("another argument", a, asked(`{"name": "B", "app": "shop"}`), "vault_delete_secret", text)
	refused("one argument less", a, asked(`{"name": "A"}`), "vault_delete_secret", text)
	refused("another server", newAsker(), c, "vault_delete_secret", text)
	other := asked(`{"name": "A", "app": "shop"}`)
	other.client = "mcp:y"
	refused("another client", a, other, "vault_delete_secret", text)
	for i := range text {
		changed := []byte(text)
		if changed[i] = 'A'; changed[i] == text[i] {
			changed[i] = 'B'
		}
		if got, err := a.open(c, "vault_delete_secret", string(changed)); err == nil && got != s {
			t.Errorf("byte %d changed: %+v", i, got)
		}
	}
	for _, text := range []string{"", ".", "x.y", strings.Repeat("A", 1<<20)} {
		refused("nonsense", a, c, "vault_delete_secret", text)
	}
	s.Until = time.Now().Add(-time.Second).Unix()
	if _, err := a.open(c, "vault_delete_secret", a.seal(c, "vault_delete_secret", s)); explain(err).code != "expired" {
		t.Errorf("too late: %v", err)
	}
}

// TestExplain: whatever went wrong, the model gets one line, a code, and nothing
// of the text of what it does not know.
func TestExplain(t *testing.T) {
	f := explain(errors.New("two\nlines\x1b[31m\x00"))
	if f.code != "failed" || f.message != "two lines [31m " {
		t.Errorf("%+v", f)
	}
	for _, err := range []error{unconfirmed{fault: fault{"declined", "m", "h"}}, needsValue{fault: fault{"declined", "m", "h"}}, fault{"declined", "m", "h"}} {
		if f := explain(err); f != (fault{"declined", "m", "h"}) {
			t.Errorf("%T: %+v", err, f)
		}
	}
	if s := complaint([]byte("ov: one\nov: hint: two\x1b]0;x\x07\n\xff\n")); strings.ContainsAny(s, "\x1b\x07\n") || !strings.HasPrefix(s, "hint: two") {
		t.Errorf("%q", s)
	}
	if s := complaint(nil); s == "" {
		t.Error("no word about a program without one")
	}
	if s := complaint([]byte(strings.Repeat("long ", 1000))); len(s) > 600 {
		t.Errorf("%d bytes of complaint", len(s))
	}
}

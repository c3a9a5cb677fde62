package main

import (
	"strings"
	"testing"
)

// token has the shape of a credential, and is none.
const token = "ghp_" + "0123456789abcdefghijABCDEFGHIJ012345"

// TestGuard: a secret in an argument is refused, whichever way it came there.
func TestGuard(t *testing.T) {
	w := newWorld(t)
	p := w.serve()
	p.ok("vault_run", map[string]any{"command": []string{"true"}}) // now the value is known
	p.fails("secret_in_argument", "vault_run", map[string]any{"command": []string{"echo", "x" + w.canary + "y"}})
	p.fails("secret_in_argument", "vault_run", map[string]any{"command": []string{"true"}, "env": map[string]string{"A": w.canary}})
	p.fails("secret_in_argument", "vault_run", map[string]any{"command": []string{"cat"}, "stdin": "a\n" + w.canary})
	p.fails("secret_in_argument", "vault_run", map[string]any{"command": []string{"curl", "-H", "X: " + token}})
	if s := p.ok("vault_status", nil); s["intercepted"] != 4.0 {
		t.Errorf("intercepted %v, want 4", s["intercepted"])
	}
}

// TestWarnMode: where the sealed policy says so, a call with a secret in an
// argument is made and comes back with a warning. What it prints is masked all
// the same, and the server's environment can tighten that and not loosen it.
func TestWarnMode(t *testing.T) {
	needsPerson(t)
	w := newWorld(t)
	echo := map[string]any{"command": []string{"echo", "it is", token}, "secret_names": []string{}}
	try := func(mode, wish string, loose bool) {
		t.Helper()
		w.more = nil
		if wish != "none" {
			w.more = []string{"OV_INTERCEPT_MODE=" + wish}
		}
		p := w.serve()
		r := p.tool("vault_run", echo)
		warned := !r.Err && strings.Contains(r.Text, `"warnings":["argument \"command\" holds a secret (the shape of `)
		blocked := r.Err && strings.HasPrefix(r.Text, "secret_in_argument: ")
		if warned == blocked || warned != (mode == "warn") {
			t.Errorf("policy warns %v, OV_INTERCEPT_MODE %s: %v %s", loose, wish, r.Data, r.Text)
		}
		if warned && (strings.Contains(r.Text, token[4:]) || !strings.Contains(r.Text, "it is [REDACTED:")) {
			t.Errorf("the output is not masked: %s", r.Text)
		}
		want := map[string]any{"intercept_mode": mode, "intercepted": 1.0, "warned": 0.0}
		if warned {
			want["warned"] = 1.0
		}
		s := p.ok("vault_status", nil)
		for k, v := range want {
			if s[k] != v {
				t.Errorf("policy warns %v, OV_INTERCEPT_MODE %s: %s is %v, want %v", loose, wish, k, s[k], v)
			}
		}
	}
	for _, wish := range []string{"none", "", "warn", "off", "block"} {
		try("block", wish, false)
	}
	w.policy("[loosen]\nwarn_only = true\n[[rule]]\nname = \"all\"\n")
	for wish, mode := range map[string]string{"none": "warn", "": "warn", "warn": "warn", "block": "block", "WARN": "block", "off": "block"} {
		try(mode, wish, true)
	}

	// A locked vault cannot say what its policy is: refused.
	w.more = nil
	w.ov("", "", "lock")
	p := w.serve()
	p.fails("secret_in_argument", "vault_run", echo)
	if s := p.ok("vault_status", nil); s["intercept_mode"] != "block" {
		t.Errorf("locked: %v", s["intercept_mode"])
	}
}

// TestWarnsBesideErrors: the warning is there when the call fails, too.
func TestWarnsBesideErrors(t *testing.T) {
	needsPerson(t)
	w := newWorld(t)
	w.policy("[loosen]\nwarn_only = true\n[[rule]]\nname = \"all\"\n")
	p := w.serve()
	r := p.tool("vault_run", map[string]any{"command": []string{"nonesuch", token}})
	if !r.Err || !strings.HasPrefix(r.Text, "command_not_found: ") || !strings.Contains(r.Text, "\nwarning: argument \"command\" holds a secret") {
		t.Errorf("%s", r.Text)
	}
}

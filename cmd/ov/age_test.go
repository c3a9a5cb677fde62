package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// TestStale: --stale lists what is older than [rotation] allows, and no plain
// value, which is no secret.
func TestStale(t *testing.T) {
	ago := func(name string, days int, plain bool) agent.Info {
		return agent.Info{Ref: secret.Ref{App: "shop", Env: "production", Name: name}, Version: 1, Plain: plain, Updated: time.Now().AddDate(0, 0, -days)}
	}
	infos := []agent.Info{ago("OLD", 91, false), ago("YOUNG", 89, false), ago("PORT", 400, true), ago("AHEAD", -3650, false)}
	for limit, want := range map[string][]string{"90d": {"OLD", "AHEAD"}, "10w": {"OLD", "YOUNG", "AHEAD"}, "": nil} {
		cfg := &config.Config{App: config.Setting{Value: "shop"}, Env: config.Setting{Value: "production"}}
		if limit != "" {
			var a config.Age
			if err := a.UnmarshalText([]byte(limit)); err != nil {
				t.Fatal(err)
			}
			cfg.User.Rotation = config.Rotation{"production": a}
		}
		dir := t.TempDir()
		c := &cli{streams: streams{out: create(t, dir, "out"), err: create(t, dir, "err")}}
		if err := c.list(cfg, infos, true); err != nil {
			t.Fatal(err)
		}
		out, errs := read(t, c.out), read(t, c.err)
		for _, i := range infos {
			name := i.Ref.Name
			wanted := strings.Contains(strings.Join(want, " "), name)
			if got := strings.Contains(out, name); got != wanted {
				t.Errorf("after %q %s is listed: %v, want %v\n%s", limit, name, got, wanted, out)
			}
		}
		if (limit == "") != strings.Contains(errs, "[rotation]") {
			t.Errorf("%q: %s", limit, errs)
		}
	}
}

func create(t *testing.T, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func read(t *testing.T, f *os.File) string {
	t.Helper()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
)

func TestGenerate(t *testing.T) {
	for spec, want := range map[string]struct {
		n       int
		letters string
	}{
		"32:alnum":     {32, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
		"8":            {8, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
		"64:hex":       {64, "0123456789abcdef"},
		"9:digits":     {9, "0123456789"},
		"40:base64url": {40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
	} {
		a, err := generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := generate(spec)
		if a.Len() != want.n || strings.Trim(string(a.Reveal()), want.letters) != "" || string(a.Reveal()) == string(b.Reveal()) {
			t.Errorf("%s: %q and %q", spec, a.Reveal(), b.Reveal())
		}
	}
	for _, bad := range []string{"7", "4097", "x", "-1", "32:emoji", ":hex"} {
		if _, err := generate(bad); !errors.Is(err, exit.ErrUsage) {
			t.Errorf("%q: %v, want a usage error", bad, err)
		}
	}
}

func TestWants(t *testing.T) {
	project := &config.Project{Trusted: true, Secrets: []config.Entry{{Name: "A"}, {Name: "prod/B", As: "C"}}}
	for _, c := range []struct {
		flag    string
		project *config.Project
		want    string
	}{
		{"", nil, "all"},
		{"", &config.Project{Trusted: true}, "all"},
		{"", &config.Project{Trusted: true, Secrets: []config.Entry{}}, ""},
		{"", project, "app/dev/A>A app/prod/B>C"},
		{"X", project, "app/dev/X>X"},
		{"X, Y=Z,W=o/p/V", nil, "app/dev/X>X app/dev/Z>Y o/p/V>W"},
		{"X,,Y", nil, "!"},
		{"X,X", nil, "!two secrets for the variable X"},
		{"A=X,A=Y", nil, "!two secrets for the variable A"},
		{"1=X", nil, "!name \"1\""},
		{"A=b c", nil, "!parse"},
		{"", &config.Project{Trusted: true, Secrets: []config.Entry{{Name: "A", Deliver: "file"}}}, "app/dev/A>A"},
		{"", &config.Project{Secrets: []config.Entry{{Name: "A"}}}, "all"}, // load refuses an untrusted list before
	} {
		cfg := &config.Config{App: config.Setting{Value: "app"}, Env: config.Setting{Value: "dev"}, Project: c.project}
		wants, err := (&runFlags{secrets: c.flag}).wants(cfg)
		got := describeWants(wants)
		switch part, bad := strings.CutPrefix(c.want, "!"); {
		case bad && (err == nil || !strings.Contains(err.Error(), part)):
			t.Errorf("%q: %v, want an error with %q", c.flag, err, part)
		case !bad && (err != nil || got != c.want):
			t.Errorf("%q: %q, %v, want %q", c.flag, got, err, c.want)
		}
	}
}

func describeWants(wants []broker.Want) string {
	if wants == nil {
		return "all"
	}
	var s []string
	for _, w := range wants {
		s = append(s, w.Ref.String()+">"+w.As)
	}
	return strings.Join(s, " ")
}

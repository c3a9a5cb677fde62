package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/config"
)

func TestDeliveries(t *testing.T) {
	listed := []config.Entry{{Name: "A", Deliver: "file"}, {Name: "prod/B", As: "C", Deliver: "fd"}, {Name: "prod/D", Deliver: "stdin"}, {Name: "E"}}
	for _, c := range []struct {
		secrets string
		trusted bool
		flags   []string
		want    string
	}{
		{"", true, nil, "map[A:file C:fd D:stdin]"},
		{"", false, nil, "map[]"},
		{"A", true, nil, "map[]"}, // another list: .ov.yaml does not speak of it
		{"", true, []string{"A=env", "E=stdin"}, "map[A:env C:fd D:stdin E:stdin]"},
		{"A", true, []string{"A=mail"}, "!want VAR=env|file|stdin|fd"},
		{"A", true, []string{"A"}, "!want VAR="},
		{"A", true, []string{"1A=file"}, "!name"},
	} {
		cfg := &config.Config{App: config.Setting{Value: "app"}, Env: config.Setting{Value: "dev"},
			Project: &config.Project{Trusted: c.trusted, Secrets: listed}}
		all, err := (&runFlags{secrets: c.secrets, deliver: c.flags}).deliveries(cfg)
		checkText(t, c.flags, fmt.Sprint(all), err, c.want)
	}
}

func TestTemplateFiles(t *testing.T) {
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"app.conf.tmpl"}, "[{APP_CONF_FILE app.conf.tmpl}]"},
		{[]string{"/x/my-app.yaml"}, "[{MY_APP_YAML_FILE /x/my-app.yaml}]"},
		{[]string{"CONF=/x/y.z", "w"}, "[{CONF /x/y.z} {W_FILE w}]"},
		{[]string{"A=x/f", "B=y/f"}, "!two of that name"},
		{[]string{"A=x/f", "A=y/g"}, "!two of that name"},
		{[]string{"1=x"}, "!name"},
	} {
		all, err := (&runFlags{templates: c.flags}).templateFiles()
		checkText(t, c.flags, fmt.Sprint(all), err, c.want)
	}
}

// checkText compares a result, or with want "!part" looks for part in the error.
func checkText(t *testing.T, what any, got string, err error, want string) {
	t.Helper()
	switch part, bad := strings.CutPrefix(want, "!"); {
	case bad && (err == nil || !strings.Contains(err.Error(), part)):
		t.Errorf("%v: %v, want an error with %q", what, err, part)
	case !bad && (err != nil || got != want):
		t.Errorf("%v: %s, %v, want %s", what, got, err, want)
	}
}

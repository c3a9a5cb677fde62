package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

const docs = "../../docs"

// What the files for systemd, Docker and Kubernetes set is what the program
// knows, and docs/server.md tells of every name.
func TestDeployFiles(t *testing.T) {
	known := map[string]bool{"OV_SERVER_CONFIG": true}
	guide, err := os.ReadFile(filepath.Join(docs, "server.md"))
	if err != nil {
		t.Fatal(err)
	}
	conf := reflect.TypeFor[Config]()
	for i := range conf.NumField() {
		name := conf.Field(i).Tag.Get("toml")
		known["OV_SERVER_"+strings.ToUpper(name)] = true
		if !strings.Contains(string(guide), "`"+name+"`") {
			t.Errorf("docs/server.md does not tell of %s", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(docs, "deploy", "*"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	names := regexp.MustCompile(`OV_SERVER_[A-Z_]+`)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.FindAllString(string(b), -1) {
			if !known[name] {
				t.Errorf("%s sets %s", f, name)
			}
		}
		if !strings.Contains(string(b), "serve") {
			t.Errorf("%s does not serve", f)
		}
	}
}

// Every command that the guide shows exists.
func TestGuideCommands(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(docs, "server.md"))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, c := range (&cli{}).root().Commands() {
		have = append(have, c.Name())
	}
	list := " " + strings.Join(have, " ") + " "
	shown := regexp.MustCompile("ov-server ([a-z]+)[ `\n]").FindAllStringSubmatch(string(guide), -1)
	if len(shown) < 5 {
		t.Fatalf("%d commands in the guide", len(shown))
	}
	for _, m := range shown {
		if !strings.Contains(list, " "+m[1]+" ") {
			t.Errorf("the guide shows ov-server %s", m[1])
		}
	}
}

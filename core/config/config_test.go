package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// a place is a home folder, a project tree and an environment to load from.
type place struct {
	t    *testing.T
	root string
	env  map[string]string
	opt  Options
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, root: t.TempDir(), env: map[string]string{}}
	p.opt = Options{Dir: p.dir("home/work/deep"), UserHome: p.dir("home"), Getenv: func(k string) string { return p.env[k] }}
	return p
}

func (p *place) dir(rel string) string {
	path := filepath.Join(p.root, rel)
	if err := os.MkdirAll(path, 0o700); err != nil {
		p.t.Fatal(err)
	}
	return path
}

func (p *place) write(rel, content string) string {
	path := filepath.Join(p.root, rel)
	p.dir(filepath.Dir(rel))
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// trust trusts the project file that is found now.
func (p *place) trust() {
	p.t.Helper()
	c, err := Load(p.opt)
	if c == nil || c.Project == nil {
		p.t.Fatalf("no project file to trust: %v", err)
	}
	if err := Trust(c.Home, c.Project); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) load() *Config {
	p.t.Helper()
	c, err := Load(p.opt)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func TestLadder(t *testing.T) {
	p := newPlace(t)
	want := func(app string, appFrom Rung, env string, envFrom Rung) {
		t.Helper()
		c := p.load()
		if c.App.Value != app || c.App.Rung != appFrom || c.Env.Value != env || c.Env.Rung != envFrom {
			t.Errorf("got %+v %+v, want %s from %s, %s from %s", c.App, c.Env, app, appFrom, env, envFrom)
		}
	}
	want("default", FromDefault, "development", FromDefault)

	p.write("home/.ov/config.toml", "app = \"mine\"\nenvironment = \"lab\"\n")
	want("mine", FromUser, "lab", FromUser)

	p.write("home/.ov.yaml", "app: outer\nenv: outer-env\n")
	p.trust()
	want("outer", FromProject, "outer-env", FromProject)

	p.write("home/work/.ov.yaml", "app: shop\n") // the nearest file is the only one
	p.trust()
	want("shop", FromProject, "lab", FromUser)

	p.env["OV_APP"], p.env["OV_ENV"] = "from-env", "e"
	want("from-env", FromEnv, "e", FromEnv)

	p.opt.App = "flagged"
	want("flagged", FromFlag, "e", FromEnv)

	p.opt.RefApp, p.opt.RefEnv = "spelled", "out"
	want("spelled", FromRef, "out", FromRef)
}

func TestSearchStopsAtHome(t *testing.T) {
	p := newPlace(t)
	p.write(".ov.yaml", "app: above-home\n")
	if c := p.load(); c.Project != nil {
		t.Errorf("found %s above the home folder", c.Project.Path)
	}
	p.opt.Dir = p.dir("elsewhere/deep")
	p.trust()
	if c := p.load(); c.App.Value != "above-home" {
		t.Errorf("app %q outside of the home folder, want the one of the file above", c.App.Value)
	}
}

func TestHome(t *testing.T) {
	for _, c := range []struct{ flag, env, user, want string }{
		{"", "", "/u", "/u/.ov"},
		{"", "/o/", "/u", "/o"},
		{"/f", "/o", "/u", "/f"},
		{"rel/x", "", "/u", "/work/rel/x"},
		{"", "", "", ""},
	} {
		o := Options{Dir: "/work", Home: c.flag, UserHome: c.user, Getenv: func(string) string { return c.env }}
		got, err := Home(o)
		if got != c.want || (c.want == "") != (err != nil) {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestProject(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"# nothing\n":                  "",
		"app: shop":                    "shop",
		"app: shop\nenv: dev":          "shop dev",
		"app: shop\nenvironment: dev":  "shop dev",
		"secrets: []":                  "",
		"secrets: [A, dev/B, x/dev/C]": " A dev/B x/dev/C",
		"secrets:\n  - A\n  - {name: B, as: C, deliver: file}\n": " A B>C:file",
		"app: 123": "123",

		"apps: shop":                           "!line 1, column 1: unknown key \"apps\": want one of app, environment, env, secrets",
		"app: shop\n\nenviroment: dev":         "!line 3, column 1: unknown key \"enviroment\"",
		"app: Shop":                            "!line 1, column 6: app \"Shop\"",
		"app:":                                 "!line 1, column 5: app \"\"",
		"app: [a]":                             "!line 1, column 6: want a single word",
		"app: a\napp: b":                       "!line 2, column 1: key \"app\" stands twice",
		"env: a\nenvironment: b":               "!line 2, column 14: environment is given twice",
		"- app":                                "!line 1, column 1: want keys and values",
		"secrets: A":                           "!line 1, column 10: secrets is not a list",
		"secrets:\n- 1X":                       "!line 2, column 3: parse \"1X\"",
		"secrets:\n- {nam: A}":                 "!line 2, column 4: unknown key \"nam\"",
		"secrets:\n- {as: A}":                  "!line 2, column 3: an entry without a name",
		"secrets:\n- {name: A, as: a-b}":       "!line 2, column 17: name \"a-b\"",
		"secrets:\n- {name: A, deliver: post}": "!line 2, column 22: deliver \"post\"",
		"secrets:\n- [A]":                      "!line 2, column 3: want keys and values",
		"app: a\n---\napp: b":                  "!line 2, column 1: a second document",
		"x: &a b\napp: *a":                     "!line 1, column 1: unknown key \"x\"",
		"app: &a b\nenv: *a":                   "!line 2, column 6: want a single word",
		"app: \"open":                          "!line 1, column ",
		"\tapp: b":                             "!line 1, column ",
	} {
		p, err := parseProject("F", []byte(in))
		got := ""
		if err == nil {
			got = strings.TrimSpace(p.App + " " + p.Env)
			for _, e := range p.Secrets {
				got += " " + e.Name
				if e.As != "" {
					got += ">" + e.As
				}
				if e.Deliver != "" {
					got += ":" + e.Deliver
				}
			}
		}
		switch part, bad := strings.CutPrefix(want, "!"); {
		case bad && (err == nil || !errors.Is(err, ErrProject) || !strings.Contains(err.Error(), part)):
			t.Errorf("%q: %v, want an error with %s", in, err, part)
		case !bad && (err != nil || got != want):
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

// An empty list means none; no list means all.
func TestEmptyListIsNotNoList(t *testing.T) {
	with, _ := parseProject("F", []byte("secrets: []"))
	without, _ := parseProject("F", []byte("app: a"))
	if with.Secrets == nil || without.Secrets != nil {
		t.Errorf("with %v, without %v", with.Secrets == nil, without.Secrets == nil)
	}
}

func TestTrust(t *testing.T) {
	p := newPlace(t)
	path := p.write("home/work/.ov.yaml", "app: shop\nenv: production\n")
	c, err := Load(p.opt)
	if !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), path) {
		t.Fatalf("an unknown file: %v", err)
	}
	if c.App.Value != "default" || c.Env.Value != "development" {
		t.Errorf("an untrusted file decided %+v %+v", c.App, c.Env)
	}
	p.trust()
	if c := p.load(); c.Env.Value != "production" || !c.Project.Trusted {
		t.Errorf("a trusted file did not decide: %+v", c.Env)
	}
	p.write("home/work/.ov.yaml", "app: shop\nenv: production \n")
	if _, err := Load(p.opt); !errors.Is(err, ErrUntrusted) {
		t.Errorf("one byte was added: %v", err)
	}
	if err := os.Rename(path, p.dir("home/work/deep")+"/.ov.yaml"); err != nil {
		t.Fatal(err)
	}
	p.write("home/work/deep/.ov.yaml", "app: shop\nenv: production\n")
	if _, err := Load(p.opt); !errors.Is(err, ErrUntrusted) {
		t.Errorf("the same content elsewhere: %v", err)
	}
}

// A file that decides nothing need not be trusted.
func TestUntrustedButOverruled(t *testing.T) {
	p := newPlace(t)
	p.write("home/work/.ov.yaml", "app: evil\nenv: production\nsecrets: [A]\n")
	for _, c := range []struct {
		app, env string
		list, ok bool
	}{{"a", "e", false, true}, {"a", "e", true, false}, {"a", "", false, false}, {"", "e", false, false}} {
		p.opt.App, p.opt.Env, p.opt.List = c.app, c.env, c.list
		if _, err := Load(p.opt); errors.Is(err, ErrUntrusted) == c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWrite(t *testing.T) {
	p := newPlace(t)
	if _, err := Write(p.dir("home/.ov"), p.opt.Dir, "shop", "dev", []string{"A", "B"}); err != nil {
		t.Fatal(err)
	}
	c := p.load()
	if c.App.Value != "shop" || c.Env.Value != "dev" || len(c.Project.Secrets) != 2 {
		t.Errorf("read back %+v", c)
	}
	if _, err := Write(c.Home, p.opt.Dir, "other", "dev", nil); err == nil {
		t.Error("an existing file was overwritten")
	}
	if _, err := Write(c.Home, p.dir("new"), "Not a slug", "dev", nil); err == nil {
		t.Error("an invalid app was written")
	}
}

func TestOddFiles(t *testing.T) {
	p := newPlace(t)
	path := filepath.Join(p.opt.Dir, ProjectFile)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p.opt); err == nil {
		t.Error("a folder was read as a project file")
	}
	os.Remove(path)
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a named pipe: %v", err)
	}
	os.Remove(path)
	p.write("home/work/deep/.ov.yaml", "#"+strings.Repeat("x", maxProject))
	if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestUserConfig(t *testing.T) {
	p := newPlace(t)
	home := p.dir("home/.ov")
	p.write("home/.ov/config.toml", "# mine\n  app   = \"old\" # why\n[later]\n")
	if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "unknown key \"later\"") {
		t.Errorf("an unknown table: %v", err)
	}
	p.write("home/.ov/config.toml", "app = \n")
	if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "line 1, column ") {
		t.Errorf("a broken file: %v", err)
	}
	p.write("home/.ov/config.toml", "app = \"No Slug\"\n")
	if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "config.toml") {
		t.Errorf("an invalid app: %v", err)
	}
	p.write("home/.ov/config.toml", "# mine\napp = \"old\"\n")
	for key, value := range map[string]string{"app": "new", "environment": "lab"} {
		if err := Use(home, key, value); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(UserFile(home))
	if want := "environment = \"lab\"\n# mine\napp = \"new\"\n"; err != nil || string(b) != want {
		t.Errorf("config is %q, want %q (%v)", b, want, err)
	}
	if err := Use(home, "app", "../x"); err == nil {
		t.Error("an invalid app was written")
	}
}

func TestSetKeyStaysAboveTables(t *testing.T) {
	got := setKey("[t]\napp = \"table's\"\n", "app", "mine")
	if want := "app = \"mine\"\n[t]\napp = \"table's\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A repository that links .ov.yaml to a file of the person who uses it learns
// nothing of that file, and is not taken for a project.
func TestLinkIsNotFollowed(t *testing.T) {
	for _, target := range []string{"home/.netrc", "home/own.yaml", "nothing"} {
		p := newPlace(t)
		p.write("home/.netrc", "machine: example.com login me password hunter2\n")
		p.write("home/own.yaml", "app: shop\n")
		if err := os.Symlink(filepath.Join(p.root, target), filepath.Join(p.root, "home/work/deep/.ov.yaml")); err != nil {
			t.Fatal(err)
		}
		_, err := Load(p.opt)
		if !errors.Is(err, ErrLink) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "machine") {
			t.Errorf("%s: %v, want ErrLink and nothing of the file", target, err)
		}
	}
}

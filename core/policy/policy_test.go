package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

func ref(t *testing.T, s string) secret.Ref {
	t.Helper()
	r, err := secret.ParseRef(s, secret.Ref{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDefault(t *testing.T) {
	p := Default()
	for _, tt := range []struct {
		client, verb, ref string
		allow             bool
		approval          Approval
	}{
		{"cli", "run", "shop/development/A", true, Never},
		{"mcp:claude-code", "run", "shop/development/A", true, Never},
		{"mcp:claude-code", "run", "shop/staging/A", true, Never},
		{"mcp:claude-code", "create", "shop/staging/A", true, Never},
		{"cli", "run", "shop/production/A", true, Session},
		{"cli", "run", "shop/prod/A", true, Session},
		{"mcp:claude-code", "run", "shop/prod-eu/A", true, Session},
		{"mcp:claude-code", "delete", "shop/production/A", true, Session},
		{"machine:ci", "run", "shop/production/A", true, Never},
		{"machinery", "run", "shop/production/A", true, Session},
		{"mcp:claude-code", "mask", "shop/development/A", false, Never},
		{"mcp:claude-code", "mask", "shop/production/A", false, Never},
		{"cli", "mask", "shop/development/A", true, Never},
	} {
		v := p.Decide(Request{Verb: tt.verb, Client: tt.client, Refs: []secret.Ref{ref(t, tt.ref)}})
		if v.Allow != tt.allow || v.Allow && v.Approval != tt.approval {
			t.Errorf("%s %s %s: %+v", tt.client, tt.verb, tt.ref, v)
		}
	}
}

// The strictest secret of a request decides on all of it.
func TestStrictestWins(t *testing.T) {
	p := Default()
	dev, prod := ref(t, "shop/development/A"), ref(t, "shop/production/A")
	for _, refs := range [][]secret.Ref{{dev, prod}, {prod, dev}, {dev, prod, dev}} {
		if v := p.Decide(Request{Verb: "run", Client: "cli", Refs: refs}); v.Approval != Session || v.Rule != "production" {
			t.Errorf("%v: %+v", refs, v)
		}
	}
	if v := p.Decide(Request{Verb: "run", Client: "cli"}); !v.Allow {
		t.Errorf("nothing asked for: %+v", v)
	}
}

const deploy = `
[[rule]]
name = "deploy"
refs = ["shop/production/*"]
executables = ["/usr/bin/terraform"]
argv = ["plan **", "apply -auto-approve", "output -json *"]
dirs = ["/srv/shop/**"]
env = ["TF_LOG"]

[[rule]]
name = "rest"
deny = true
`

func deployRequest(t *testing.T) Request {
	return Request{Verb: "run", Client: "mcp:some", Refs: []secret.Ref{ref(t, "shop/production/KEY")}, Executable: "/usr/bin/terraform",
		Argv: []string{"terraform", "plan", "-out", "x y"}, Dir: "/srv/shop/eu",
		Homes: []string{"/root"}, Env: []string{"HOME=/root", "PATH=/usr/bin:/bin", "LC_ALL=C", "TF_LOG=debug", "TERM=xterm"}}
}

// Attack: what an agent may change about a command beside a rule that names the
// program.
func TestAttackBesideAnExecutableRule(t *testing.T) {
	p, err := Parse([]byte(deploy))
	if err != nil {
		t.Fatal(err)
	}
	if v := p.Decide(deployRequest(t)); !v.Allow || v.Rule != "deploy" {
		t.Fatalf("the request that the rule is for: %+v", v)
	}
	for name, change := range map[string]func(r *Request){
		"HOME of one's own":      func(r *Request) { r.Env[0] = "HOME=/tmp/evil" },
		"HOME a second time":     func(r *Request) { r.Env = append(r.Env, "HOME=/tmp/evil") },
		"another name":           func(r *Request) { r.Argv[0] = "sh" },
		"another name, a path":   func(r *Request) { r.Argv[0] = "/usr/bin/terraform/../sh" },
		"a name with an end":     func(r *Request) { r.Argv[0] = "terraform-evil" },
		"no name":                func(r *Request) { r.Argv[0] = "" },
		"letters that look so":   func(r *Request) { r.Argv[1] = "pl\u0430n" },
		"a composed letter":      func(r *Request) { r.Argv[1] = "pla\u0303n" },
		"an invisible letter":    func(r *Request) { r.Argv[1] = "pl\u200ban" },
		"another case":           func(r *Request) { r.Argv[1] = "PLAN" },
		"program in capitals":    func(r *Request) { r.Executable = "/usr/bin/Terraform" },
		"program with a space":   func(r *Request) { r.Executable = "/usr/bin/terraform " },
		"program, decomposed":    func(r *Request) { r.Executable = "/usr/bin/terrafor\u006d\u0301" },
		"HTTPS_PROXY":            func(r *Request) { r.Env = append(r.Env, "HTTPS_PROXY=http://evil") },
		"GH_HOST":                func(r *Request) { r.Env = append(r.Env, "GH_HOST=evil") },
		"empty GH_HOST":          func(r *Request) { r.Env = append(r.Env, "GH_HOST=") },
		"LD_PRELOAD":             func(r *Request) { r.Env = append(r.Env, "LD_PRELOAD=/tmp/x.so") },
		"own PATH":               func(r *Request) { r.Env = append(r.Env, "PATH=/tmp/evil:/usr/bin") },
		"relative PATH":          func(r *Request) { r.Env = append(r.Env, "PATH=:/usr/bin") },
		"PATH with dots":         func(r *Request) { r.Env = append(r.Env, "PATH=/usr/bin/../../tmp") },
		"own shell":              func(r *Request) { r.Env = append(r.Env, "SHELL=/tmp/sh") },
		"own pager":              func(r *Request) { r.Env = append(r.Env, "PAGER=/tmp/sh") },
		"no equals":              func(r *Request) { r.Env = append(r.Env, "BASH_ENV") },
		"other program":          func(r *Request) { r.Executable = "/tmp/terraform" },
		"program below":          func(r *Request) { r.Executable = "/usr/bin/terraform/../sh" },
		"other words":            func(r *Request) { r.Argv = []string{"terraform", "destroy"} },
		"a word more":            func(r *Request) { r.Argv = []string{"terraform", "apply", "-auto-approve", "-var=x"} },
		"a word less":            func(r *Request) { r.Argv = []string{"terraform", "apply"} },
		"no argv":                func(r *Request) { r.Argv = nil },
		"words in one":           func(r *Request) { r.Argv = []string{"terraform", "apply -auto-approve"} },
		"newline":                func(r *Request) { r.Argv = []string{"terraform", "output", "-json", "a", "b"} },
		"star over two":          func(r *Request) { r.Argv = []string{"terraform", "output", "-json\nx", "a"} },
		"other folder":           func(r *Request) { r.Dir = "/srv" },
		"folder that looks like": func(r *Request) { r.Dir = "/srv/shop-evil" },
		"folder with dots":       func(r *Request) { r.Dir = "/srv/shop/../../tmp" },
		"other secret":           func(r *Request) { r.Refs = append(r.Refs, ref(t, "shop/staging/KEY")) },
		"session":                func(r *Request) { r.Verb = "session" },
	} {
		r := deployRequest(t)
		change(&r)
		if v := p.Decide(r); v.Allow {
			t.Errorf("%s: allowed by %q", name, v.Rule)
		}
	}
}

func TestExecutableByHash(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	p, err := Parse([]byte(`
[[rule]]
name = "pinned"
executables = ["/usr/bin/tool#sha256:` + sum + `"]
[[rule]]
name = "rest"
deny = true
`))
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Verb: "run", Client: "cli", Refs: []secret.Ref{ref(t, "a/b/C")}, Executable: "/usr/bin/tool", Argv: []string{"tool"}}
	for name, tt := range map[string]struct {
		sum   func() (string, error)
		allow bool
	}{
		"same":     {func() (string, error) { return sum, nil }, true},
		"replaced": {func() (string, error) { return strings.Repeat("cd", 32), nil }, false},
		"error":    {func() (string, error) { return sum, errors.New("cannot be read") }, false},
		"unknown":  {nil, false},
	} {
		r.Sum = tt.sum
		if v := p.Decide(r); v.Allow != tt.allow {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// A rule that names a program means the one that you or root put there. A denial
// means any.
func TestExecutableOfOthers(t *testing.T) {
	p, err := Parse([]byte(`
[[rule]]
name = "never"
executables = ["/usr/bin/evil"]
deny = true
[[rule]]
name = "tool"
executables = ["/usr/bin/tool"]
[[rule]]
name = "evil too"
executables = ["/usr/bin/evil"]
[[rule]]
name = "rest"
deny = true
`))
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Verb: "run", Client: "cli", Refs: []secret.Ref{ref(t, "a/b/C")}, Executable: "/usr/bin/tool", Argv: []string{"tool"}}
	for _, loose := range []bool{false, true} {
		r.Loose = func() bool { return loose }
		if v := p.Decide(r); v.Allow == loose {
			t.Errorf("others may write it: %v; %+v", loose, v)
		}
	}
	r.Executable, r.Argv = "/usr/bin/evil", []string{"evil"}
	if v := p.Decide(r); v.Allow || v.Rule != "never" {
		t.Errorf("a denied program that others may write: %+v", v)
	}
}

func TestDemands(t *testing.T) {
	p, err := Parse([]byte(`
[[rule]]
name = "reasoned"
refs = ["a/b/*"]
reason = true
approval = "always"
max = 3
per = "1h"
delivery = ["file"]
until = 2030-01-01T00:00:00Z
[[rule]]
name = "rest"
deny = true
`))
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Verb: "run", Client: "cli", Refs: []secret.Ref{ref(t, "a/b/C")}, Delivery: map[string]string{"a/b/C": "file"}, Reason: "to deploy",
		Time: time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)}
	if v := p.Decide(r); !v.Allow || v.Approval != Always || !slices.Equal(v.Limits, []Limit{{"reasoned", 3, time.Hour}}) {
		t.Errorf("all as demanded: %+v", v)
	}
	for name, change := range map[string]func(r *Request){
		"no reason": func(r *Request) { r.Reason = " " },
		"as env":    func(r *Request) { r.Delivery = nil },
		"too late":  func(r *Request) { r.Time = r.Time.AddDate(2, 0, 0) },
		"session":   func(r *Request) { r.Verb = "session" },
	} {
		q := r
		change(&q)
		if v := p.Decide(q); v.Allow {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestBadPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"":                                                 "no rules",
		"[[rule]]\nname = \"a\"\nwho = [":                  "line 3, column",
		"[[rule]]\nnam = \"a\"":                            `unknown key "rule.nam"`,
		"[[rule]]\nrefs = [\"a/b/*\"]":                     "must fit everything",
		"[[rule]]\nrefs = [\"a\"]\n[[rule]]":               "want app/environment/NAME",
		"[[rule]]\napproval = \"often\"":                   "want never, session, once or always",
		"[[rule]]\nverbs = [\"export\"]":                   `verb "export"`,
		"[[rule]]\nwho = [\"root\"]":                       `who "root"`,
		"[[rule]]\nwho = [\"cli:me\"]":                     `who "cli:me"`,
		"[[rule]]\nexecutables = [\"tf\"]":                 "want an absolute path",
		"[[rule]]\nexecutables = [\"/a#md5\"]":             "want PATH#sha256:HEX",
		"[[rule]]\nargv = [\"x\"]":                         "argv without executables",
		"[[rule]]\ndirs = [\"/a/*/b\"]":                    "want an absolute path",
		"[[rule]]\nmax = 3":                                "go together",
		"[[rule]]\nmax = 3\nper = \"-1h\"":                 "no length of time",
		"[[rule]]\nname = \"x\"\n[[rule]]\nname = \"x\"":   "two rules are called",
		"[[rule]]\ndelivery = [\"mail\"]":                  `delivery "mail"`,
		"[loosen]\nlanes = [\"exact\", \"all\"]\n[[rule]]": `lane "all"`,
		"[loosen]\nmasking = false\n[[rule]]":              "unknown key",
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	p, err := Parse([]byte(deploy))
	if err != nil {
		t.Fatal(err)
	}
	r := deployRequest(t)
	steps := p.Explain(r, r.Refs[0])
	if len(steps) != 1 || !steps[0].Fits || steps[0].Rule != "deploy" {
		t.Errorf("Explain = %+v", steps)
	}
	r.Env = append(r.Env, "GH_HOST=evil")
	steps = p.Explain(r, r.Refs[0])
	if len(steps) != 2 || steps[0].Why != `not with the variable "GH_HOST"` || !steps[1].Fits || !strings.Contains(steps[1].Why, "denied") {
		t.Errorf("Explain = %+v", steps)
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"a", "a", true}, {"a", "ab", false}, {"*", "", true}, {"*", "any/thing\n", true},
		{"a*", "a", true}, {"a*", "ba", false}, {"*a", "ba", true}, {"*a", "ab", false}, {"a*b", "ab", true}, {"a*b", "axxb", true},
		{"a*b", "a", false}, {"ab*b", "ab", false}, {"a*b*c", "abbc", true}, {"a*b*c", "acb", false}, {"**", "x", true}, {"a**b", "ab", true},
		{"*aa*aa*", "aaa", false}, {"*aa*aa*", "aaaa", true},
	} {
		if got := glob(tt.pattern, tt.s); got != tt.want {
			t.Errorf("glob(%q, %q) = %v", tt.pattern, tt.s, got)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	p := Default()
	refs := make([]secret.Ref, 50)
	for i := range refs {
		refs[i] = secret.Ref{App: "shop", Env: "development", Name: "NAME"}
	}
	for b.Loop() {
		p.Decide(Request{Verb: "run", Client: "cli", Refs: refs})
	}
}

// A secret whose use is limited, asked for together with one that sorts before
// it and is not.
func TestAttackLimitInCompany(t *testing.T) {
	p, err := Parse([]byte("[[rule]]\nname = \"few\"\nrefs = [\"*/*/KEY\"]\nmax = 2\nper = \"1h\"\n[[rule]]\nname = \"rest\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Limit{{"few", 2, time.Hour}}
	for _, refs := range [][]secret.Ref{{ref(t, "a/b/A"), ref(t, "a/b/KEY")}, {ref(t, "a/b/KEY"), ref(t, "a/b/Z")}, {ref(t, "a/b/KEY"), ref(t, "c/b/KEY")}} {
		if v := p.Decide(Request{Verb: "run", Client: "cli", Refs: refs}); !v.Allow || !slices.Equal(v.Limits, want) {
			t.Errorf("%v: %+v", refs, v)
		}
	}
}

func TestLoosenSays(t *testing.T) {
	p, err := Parse([]byte("[loosen]\nvalue_parameter = true\nwarn_only = true\nfail_open_scanners = [\"acme\"]\nnames = [\"NODE_OPTIONS\"]\nlanes = [\"fragments\"]\n[[rule]]\nname = \"all\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if says := p.Loosen.Says(); len(says) != 5 || !strings.Contains(says[3], "NODE_OPTIONS") || !strings.Contains(says[4], "fragments") {
		t.Errorf("Says = %q", says)
	}
	if says := Default().Loosen.Says(); len(says) != 0 {
		t.Errorf("the default loosens: %q", says)
	}
	if v := Closed().Decide(Request{Verb: "run", Client: "cli", Refs: []secret.Ref{ref(t, "a/b/C")}}); v.Allow {
		t.Errorf("closed: %+v", v)
	}
}

// A session is opened in an allowed folder, or with an allowed environment, and
// leaves it with one cd or export: such rules are for single commands.
func TestAttackSessionChangesFolder(t *testing.T) {
	for _, line := range []string{`dirs = ["/srv/shop/**"]`, `executables = ["/bin/sh"]`, `env = ["GH_HOST"]`, `approval = "always"`} {
		p, err := Parse([]byte("[[rule]]\nname = \"bound\"\n" + line + "\n[[rule]]\nname = \"rest\"\ndeny = true\n"))
		if err != nil {
			t.Fatal(err)
		}
		r := Request{Verb: "run", Client: "mcp:x", Refs: []secret.Ref{ref(t, "a/b/C")}, Dir: "/srv/shop/api", Executable: "/bin/sh", Argv: []string{"sh"}}
		if v := p.Decide(r); !v.Allow {
			t.Errorf("%s: a single command: %+v", line, v)
		}
		if r.Verb = "session"; p.Decide(r).Allow {
			t.Errorf("%s holds for a session", line)
		}
	}
}

// A replay knows no command: a rule that asks for one decides nothing, and a rule
// before it does.
func TestReplay(t *testing.T) {
	p, err := Parse([]byte(`
[[rule]]
name = "agents"
who = ["mcp"]
refs = ["*/production/*"]
deny = true
[[rule]]
name = "deploy"
refs = ["*/production/*"]
executables = ["/bin/deploy"]
[[rule]]
name = "production"
refs = ["*/production/*"]
approval = "always"
[[rule]]
name = "rest"
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		client, ref, rule, depends string
		allow                      bool
	}{
		{"mcp:x", "a/production/K", "agents", "", false},
		{"cli", "a/production/K", "", "deploy", false},
		{"cli", "a/development/K", "rest", "", true},
		{"mcp:x", "a/development/K", "rest", "", true},
	} {
		v, depends := p.Replay(Request{Verb: "run", Client: c.client}, ref(t, c.ref))
		if v.Rule != c.rule || depends != c.depends || v.Allow != c.allow {
			t.Errorf("%s of %s: %+v, depends on %q", c.client, c.ref, v, depends)
		}
	}
}

// Attack: a program that is many by its name is called by another one.
func TestAttackManyInOne(t *testing.T) {
	p, err := Parse([]byte("[[rule]]\nname = \"date\"\nexecutables = [\"/bin/busybox\", \"/usr/bin/dash\", \"/usr/bin/python3.11\"]\nargv = [\"date\"]\n[[rule]]\nname = \"rest\"\ndeny = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		program, declared, argv0 string
		want                     bool
	}{
		{"/bin/busybox", "/bin/busybox", "busybox", true},
		{"/bin/busybox", "/bin/busybox", "/bin/busybox", true},
		{"/bin/busybox", "/bin/busybox", "sh", false},
		{"/bin/busybox", "/bin/sh", "sh", false}, // a link to it
		{"/bin/busybox", "/bin/busybox", "bu", false},
		{"/usr/bin/dash", "/bin/sh", "sh", true},
		{"/usr/bin/dash", "/usr/bin/dash", "sh", false},
		{"/usr/bin/python3.11", "/usr/bin/python3", "python3", true},
		{"/usr/bin/python3.11", "/tmp/p", "p", true}, // a link, called as it is
		{"/usr/bin/python3.11", "/tmp/p", "q", false},
	} {
		r := Request{Verb: "run", Client: "mcp:x", Refs: []secret.Ref{ref(t, "a/b/C")}, Executable: c.program, Declared: c.declared, Argv: []string{c.argv0, "date"}}
		if got := p.Decide(r).Allow; got != c.want {
			t.Errorf("%s as %s, called %s: %v", c.program, c.declared, c.argv0, got)
		}
	}
}

// A rule that lets a program run that runs any other says so.
func TestLaunchers(t *testing.T) {
	for text, want := range map[string]bool{
		`executables = ["/bin/sh"]`:                                                true,
		"executables = [\"/usr/bin/env\"]\nargv = [\"**\"]":                        true,
		"executables = [\"/usr/bin/python3.11\"]\nargv = [\"* **\"]":               true,
		"executables = [\"/bin/busybox\"]\nargv = [\"*\"]":                         true,
		"executables = [\"/bin/sh\"]\nargv = [\"/srv/deploy.sh\"]":                 false,
		`executables = ["/usr/bin/terraform"]`:                                     false,
		"executables = [\"/bin/sh\"]\ndeny = true":                                 false,
		"executables = [\"/usr/bin/terraform\", \"/bin/bash\"]\nargv = [\"-c *\"]": true,
	} {
		p, err := Parse([]byte("[[rule]]\nname = \"x\"\n" + text + "\n[[rule]]\nname = \"rest\"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if says := p.Says(); (len(says) == 1) != want {
			t.Errorf("%s: %q", text, says)
		}
	}
}

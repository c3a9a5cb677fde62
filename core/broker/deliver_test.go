package broker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

func TestDeliver(t *testing.T) {
	const show = `cat "$TOKEN_FILE"; echo; echo "${TOKEN-unset}"; cat "$TOKEN_FILE" | base64`
	masked := "[REDACTED:TOKEN]\nunset\n[REDACTED:TOKEN]\n"
	for _, how := range []string{"file", "fd"} {
		x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", show)
		x.req.Environ = append(x.req.Environ, "TOKEN=old")
		x.req.Deliver = map[string]string{"TOKEN": how}
		x.ok(0, masked, "")
		if got := x.agent.asked[0].Delivery; len(got) != 1 || got["a/e/TOKEN"] != how {
			t.Errorf("declared %v", got)
		}
	}
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", `cat; echo; echo "${TOKEN-unset}"`)
	x.req.Deliver = map[string]string{"TOKEN": "stdin"}
	x.ok(0, "[REDACTED:TOKEN]\nunset\n", "")
}

// A file is gone when the run is over, and was 0400 while it lasted.
func TestDeliveredFileIsRemoved(t *testing.T) {
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", `stat -c %a "$TOKEN_FILE" && echo "$TOKEN_FILE"`)
	x.req.Deliver = map[string]string{"TOKEN": "file"}
	if code, err := x.run(); err != nil || code != 0 {
		t.Fatal(code, err)
	}
	mode, path, _ := strings.Cut(strings.TrimSpace(x.stdout.String()), "\n")
	if mode != "400" || !filepath.IsAbs(path) {
		t.Errorf("mode %s, path %q", mode, path)
	}
	if strings.HasPrefix(path, "/dev/fd/") {
		return // no file system in memory: there was nothing to remove
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", p, err)
		}
	}
}

// What an environment cannot hold, a file can.
func TestDeliverBinary(t *testing.T) {
	x := newTrial(t, map[string]string{"KEY": "ab\x00cd\xffefghijkl"}, "sh", "-c", `wc -c <"$KEY_FILE"; cat "$KEY_FILE"`)
	x.req.Wants = []Want{{ref("KEY"), "KEY"}}
	x.req.Deliver = map[string]string{"KEY": "file"}
	x.ok(0, "14\n[REDACTED:KEY]", "")
}

func TestDeliverRefusals(t *testing.T) {
	two := map[string]string{"TOKEN": token, "OTHER": "oth-8823kjJJq"}
	for _, c := range []struct {
		name    string
		deliver map[string]string
		want    error
	}{
		{"unknown variable", map[string]string{"NONE": "file"}, ErrDeliver},
		{"unknown way", map[string]string{"TOKEN": "mail"}, ErrDeliver},
		{"stdin twice", map[string]string{"TOKEN": "stdin", "OTHER": "stdin"}, ErrDeliver},
	} {
		x := newTrial(t, two, "echo", "ran")
		x.req.Deliver = c.deliver
		if _, err := x.run(); !errors.Is(err, c.want) || x.stdout.Len() > 0 {
			t.Errorf("%s: %v, printed %q", c.name, err, x.stdout.String())
		}
	}
	x := newTrial(t, map[string]string{"SHORT": "abc"}, "echo", "ran")
	x.req.Deliver = map[string]string{"SHORT": "file"}
	if _, err := x.run(); !errors.Is(err, ErrInject) {
		t.Errorf("a value that cannot be masked: %v", err)
	}
}

func TestTemplate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.conf")
	text := "url = https://u:{{TOKEN}}@host\nother = {{ TOKEN }}\nhelm = {{ .Values.x }} {{not-a-name}} {TOKEN}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("{{TOKEN}}", "[REDACTED:TOKEN]", "{{ TOKEN }}", "[REDACTED:TOKEN]").Replace(text)
	for _, wants := range [][]Want{nil, {{ref("TOKEN"), "TOKEN"}}, {{ref("OTHER"), "OTHER"}}} {
		x := newTrial(t, map[string]string{"TOKEN": token, "OTHER": "oth-8823kjJJq"}, "sh", "-c", `cat "$CONF"; test -n "$TOKEN" && echo set`)
		x.req.Templates = []Template{{"CONF", file}}
		x.req.Wants = wants
		set := "set\n"
		if wants != nil && wants[0].As == "OTHER" { // named by the template alone: no variable
			set = ""
			x.ok(1, want+set, "")
		} else {
			x.ok(0, want+set, "")
		}
		if x.agent.asked[0].Delivery["a/e/TOKEN"] != "file" {
			t.Errorf("declared %v", x.agent.asked[0].Delivery)
		}
	}
}

func TestTemplateRefusals(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, file := range map[string]string{
		"no such secret":    write("a", "x {{MISSING}}"),
		"cannot be masked":  write("b", "x {{SHORT}}"),
		"no such file":      filepath.Join(dir, "none"),
		"larger than large": write("c", strings.Repeat("x", maxTemplate+1)),
	} {
		x := newTrial(t, map[string]string{"TOKEN": token, "SHORT": "abc"}, "echo", "ran")
		x.req.Templates = []Template{{"CONF", file}}
		if _, err := x.run(); err == nil || x.stdout.Len() > 0 {
			t.Errorf("%s: %v, printed %q", name, err, x.stdout.String())
		}
	}
}

// A filled-in template is wiped from our memory, and is never longer in it than it has to be.
func TestFill(t *testing.T) {
	all := []variable{{as: "A", secret: secretOf("A", "one")}, {secret: secretOf("B", "two")}, {as: "C", secret: secretOf("B2", "three")}}
	var out strings.Builder
	if err := fill(&out, []byte("{{A}}{{B}}{{\tC }}{{A}}"), all); err != nil || out.String() != "onetwothreeone" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := fill(&out, []byte("{{B2}}"), all); !errors.Is(err, ErrDeliver) {
		t.Errorf("by the name it was renamed from: %v", err)
	}
}

func secretOf(name, value string) (s agent.Secret) {
	s.Ref, s.Value = ref(name), secret.New([]byte(value))
	return s
}

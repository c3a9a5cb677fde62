package dotenv

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// A recorded case is what three programs make of a text; nil: they refuse it.
type recorded struct {
	Text                 string
	Node, Compose, Shell map[string]string
}

func cases(t *testing.T) []recorded {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []recorded
	if err := json.Unmarshal(text, &all); err != nil || len(all) < 28 {
		t.Fatalf("%d cases, %v", len(all), err)
	}
	return all
}

// TestDialects: each dialect reads what the program it is named for reads.
func TestDialects(t *testing.T) {
	for _, c := range cases(t) {
		for d, want := range map[Dialect]map[string]string{Node: c.Node, Compose: c.Compose, Shell: c.Shell} {
			pairs, err := Parse(c.Text, d)
			if (err != nil) != (want == nil) {
				t.Errorf("%s %q: %v, want %v", d, c.Text, err, want)
				continue
			}
			got := map[string]string{}
			for _, p := range pairs {
				got[p.Name] = p.Value
			}
			if want != nil && !maps.Equal(got, want) {
				t.Errorf("%s %q: %q, want %q", d, c.Text, got, want)
			}
		}
	}
}

// TestNoSilentChange: wherever one of the programs reads another value than we
// do by default, or refuses, the line is named.
func TestNoSilentChange(t *testing.T) {
	disputed := 0
	for _, c := range cases(t) {
		pairs, err := Parse(c.Text, Literal)
		if err != nil {
			disputed++
			continue // an error is not silent
		}
		got := map[string]string{}
		for _, p := range pairs {
			got[p.Name] = p.Value
		}
		agree := maps.Equal(got, c.Node) && maps.Equal(got, c.Compose) && maps.Equal(got, c.Shell)
		notes := disputes(pairs, Literal)
		if c.Text[0] == 0xef && len(notes) == 0 {
			continue // a byte order mark is the file's, not the line's
		}
		if agree != (len(notes) == 0) {
			t.Errorf("%q read as %q: all agree is %v, notes %q", c.Text, got, agree, notes)
		}
		if !agree {
			disputed++
		}
		for _, n := range notes {
			for _, v := range got {
				if len(v) > 3 && strings.Contains(n, v) {
					t.Errorf("note %q quotes the value", n)
				}
			}
		}
	}
	if disputed < 10 {
		t.Errorf("%d cases are disputed; the recorded ones have more", disputed)
	}
}

func TestLiteral(t *testing.T) {
	for text, want := range map[string]string{
		"A=a#b": "a#b", "A=a #b": "a", `A="a\nb"`: `a\nb`, "A='$HOME'": "$HOME", "A=$HOME/x": "$HOME/x",
		"A=": "", "A=\"x\ny\" # c": "x\ny", "A=`x\"y`": `x"y`, "A=a=b==": "a=b==", "export  A =  1 ": "1",
		"\ufeffA=1": "1", "A=1\r\n": "1", "# c\n\n  A=1": "1", "A=#": "",
	} {
		got, err := Parse(text, Literal)
		if err != nil || len(got) != 1 || got[0].Name != "A" || got[0].Value != want {
			t.Errorf("%q: %+v, %v, want %q", text, got, err, want)
		}
	}
	for text, line := range map[string]string{
		"A=1\nnot an assignment": "line 2", "A='x": "line 1", "A=1\nB=\"x\ny": "line 2", "A='x' y": "line 1", "=1": "line 1", "A": "line 1",
	} {
		if _, err := Parse(text, Literal); err == nil || !strings.HasPrefix(err.Error(), line) {
			t.Errorf("%q: %v, want an error of %s", text, err, line)
		}
	}
}

// TestShellRunsNothing: what a shell would run is refused.
func TestShellRunsNothing(t *testing.T) {
	for _, text := range []string{"A=$(id)", "A=`id`", `A="$(id)"`, "A=1;id", "A=1 id", "A=<x", `A="a` + "`id`" + `"`, "A=(1 2)", "A=x|y", "A=1&"} {
		if got, err := Parse(text, Shell); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, []byte("A="+strings.Repeat("x", maxFile)), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken")
	if err := os.WriteFile(broken, []byte("A=1\nhunter2 is no assignment\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]provider.Code{
		filepath.Join(dir, "none"): provider.NotFound, dir: provider.Invalid, big: provider.TooLarge, broken: provider.Invalid,
	} {
		_, err := New().Configure(t.Context(), provider.Config{Settings: map[string]string{"file": file}})
		if provider.CodeOf(err) != want || strings.Contains(fmt.Sprint(err), "hunter2") {
			t.Errorf("%s: %v, want %v", filepath.Base(file), err, want)
		}
	}
	if _, err := New().Configure(t.Context(), provider.Config{Settings: map[string]string{"file": broken, "dialect": "php"}}); provider.CodeOf(err) != provider.Invalid {
		t.Errorf("dialect php: %v", err)
	}
}

// file is a service for the suite.
type file struct{ path string }

func (f file) Provider(testing.TB) (provider.Provider, provider.Config) {
	return New(), provider.Config{Settings: map[string]string{"file": f.path}}
}

func (f file) Fill(t testing.TB, secrets []providertest.Secret) {
	var b strings.Builder
	for _, s := range secrets {
		q := "'"
		if strings.Contains(string(s.Value), q) {
			q = "`"
		}
		fmt.Fprintf(&b, "%s=%s%s%s\n", s.Name, q, s.Value, q)
	}
	if err := os.WriteFile(f.path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f file) Delete(_, name string) {
	text, _ := os.ReadFile(f.path)
	var left []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, name+"=") {
			left = append(left, line)
		}
	}
	os.WriteFile(f.path, []byte(strings.Join(left, "")), 0o600)
}

func TestConformance(t *testing.T) {
	providertest.Run(t, file{filepath.Join(t.TempDir(), ".env")}, providertest.Traits{NoFolders: true})
}

func FuzzParse(f *testing.F) {
	f.Add("A=1\nexport B='x'\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range Dialects() {
			pairs, err := Parse(text, d)
			for _, p := range pairs {
				if p.Name == "" || p.Line < 1 || err != nil {
					t.Errorf("%s: %+v, %v", d, p, err)
				}
			}
		}
	})
}

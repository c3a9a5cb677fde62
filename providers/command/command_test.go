package command

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// TestMain is also the program that the provider calls: `list DIR`, `get DIR
// REF`, and what misbehaves.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "as-program" {
		os.Exit(program(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func program(args []string) int {
	switch args[0] {
	case "list":
		filepath.WalkDir(args[1], func(at string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				rel, _ := filepath.Rel(args[1], at)
				fmt.Println(filepath.ToSlash(rel))
			}
			return nil
		})
	case "get":
		b, err := os.ReadFile(filepath.Join(args[1], args[2]))
		if err != nil {
			fmt.Fprintln(os.Stderr, "hunter2: no such secret")
			return 3
		}
		os.Stdout.Write(append(b, '\n'))
	case "json":
		fmt.Println(`[{"id":"7","key":"TOKEN","rev":"r1"}]`)
	case "object":
		fmt.Println(`{"id":"7","value":"from json"}`)
	case "echo":
		fmt.Print(strings.Join(args[1:], "|"))
	case "flood":
		for range 20 << 4 {
			os.Stdout.Write(make([]byte, 64<<10))
		}
	default:
		return 1
	}
	return 0
}

// tree is a folder of files as a service.
type tree struct{ dir, file string }

func array(args ...string) string {
	exe, _ := os.Executable()
	return fmt.Sprintf("%q", append([]string{exe, "as-program"}, args...))
}

func toToml(list string) string { return strings.ReplaceAll(list, `" "`, `", "`) }

func write(t testing.TB, text string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "p.toml")
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return at
}

func (s tree) Provider(testing.TB) (provider.Provider, provider.Config) {
	return New(), provider.Config{Settings: map[string]string{"file": s.file}}
}

func (s tree) Fill(t testing.TB, secrets []providertest.Secret) {
	os.RemoveAll(s.dir)
	for _, n := range secrets {
		at := filepath.Join(s.dir, n.Path, n.Name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, n.Value, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (s tree) Delete(dir, name string) { os.Remove(filepath.Join(s.dir, dir, name)) }

func TestConformance(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tree")
	file := write(t, "list = "+toToml(array("list", dir))+"\nget = "+toToml(array("get", dir, "{ref}"))+"\n")
	providertest.Run(t, tree{dir, file}, providertest.Traits{})
}

// TestNoShell: what a reference holds is one argument, whatever it holds.
func TestNoShell(t *testing.T) {
	p := New()
	file := write(t, "list = "+toToml(array("list", "."))+"\nget = "+toToml(array("echo", "a {ref} b"))+"\n")
	if _, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"file": file}}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"$(id)", "`id`; id | cat", "a b\tc", "* ~ $HOME", "'\"", "{ref}"} {
		i, err := p.Fetch(t.Context(), ref)
		if want := "a " + ref + " b"; err != nil || string(i.Value) != want {
			t.Errorf("%q: %q, %v", ref, i.Value, err)
		}
	}
	for _, ref := range []string{"-x", "--output=/etc/passwd", "a\x00b"} {
		if _, err := p.Fetch(t.Context(), ref); provider.CodeOf(err) != provider.Invalid {
			t.Errorf("%q: %v, want it refused", ref, err)
		}
	}
}

func TestJSON(t *testing.T) {
	p := New()
	file := write(t, "list = "+toToml(array("json"))+"\nget = "+toToml(array("object", "{ref}"))+
		"\nfield = \"value\"\n[json]\nref = \"id\"\nname = \"key\"\ntoken = \"rev\"\n")
	if _, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"file": file}}); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil || e.Ref != "7" || e.Name != "TOKEN" || e.ChangeToken != "r1" {
			t.Errorf("%+v, %v", e, err)
		}
	}
	if i, err := p.Fetch(t.Context(), "7"); err != nil || string(i.Value) != "from json" {
		t.Errorf("%q, %v", i.Value, err)
	}
}

func TestFaults(t *testing.T) {
	get := "get = " + toToml(array("get", ".", "{ref}")) + "\n"
	for text, want := range map[string]string{
		"list = [\"x\"]\n":                                            "are needed",
		"list = [\"x\"]\nget = [\"x\"]\n":                             "names no {ref}",
		"list = [\"x\"]\nget = [\"{ref}\"]\n":                         "cannot be the program",
		"list = \"x | y\"\n" + get:                                    "arrays of arguments",
		"list = [\"x\"]\nshell = true\n" + get:                        "unknown key",
		"list = [\"x\"]\n" + get + "[json]\nname=\"a\"":               "json needs ref",
		"list = [\"x\"]\n" + get + "check = [\"no-such-program-ov\"]": "no such program",
	} {
		_, err := New().Configure(t.Context(), provider.Config{Settings: map[string]string{"file": write(t, text)}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	p := New()
	file := write(t, "list = "+toToml(array("flood"))+"\n"+get)
	if _, err := p.Configure(t.Context(), provider.Config{Settings: map[string]string{"file": file}}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fetch(t.Context(), "none"); provider.CodeOf(err) != provider.NotFound || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("what the program wrote to standard error is shown: %v", err)
	}
	for _, err := range p.List(t.Context(), provider.Query{}) {
		if provider.CodeOf(err) != provider.TooLarge {
			t.Errorf("flood: %v", err)
		}
	}
}

package walk

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/scanners/builtin"
)

const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"

func options(t testing.TB) Options {
	t.Helper()
	set, err := rule.Compile(builtin.All(), scan.Balanced)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Rules: set, Key: []byte("k"), MaxSize: DefaultMaxSize, Depth: DefaultDepth}
}

// put writes files below a fresh folder.
func put(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// places lists the findings of a walk as path:line:column rule, below dir.
func places(dir string, r *Result) []string {
	var all []string
	for _, f := range r.Findings {
		path := strings.TrimPrefix(f.Path, dir+"/")
		all = append(all, fmt.Sprintf("%s:%d:%d %s", path, f.Line, f.Column, f.Rule))
	}
	return all
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestPaths(t *testing.T) {
	dir := put(t, map[string]string{
		"a.txt":              "one\ntwo " + token + "\n",
		"sub/b.env":          "# x\nDB_PASSWORD=t0rn-Beetle_9\nGITHUB_TOKEN=" + token + "\n",
		"clean.go":           "package x\n",
		"bin":                "\x7fELF\x00\x00 " + token,
		".gitignore":         "*.log\nbuild/\n!keep.log\n/sub/only\n**/deep/x.txt\n",
		"x.log":              token,
		"keep.log":           token,
		"build/y":            token,
		"sub/only":           token,
		"only":               token,
		"q/deep/x.txt":       token,
		"q/.gitignore":       "z\n",
		"q/z":                token,
		"q/w/z":              token,
		".git/config":        token,
		"big":                strings.Repeat("line\n", 60_000) + "  " + token,
		"crlf":               "a\r\nb\r\n" + token + "\r\n",
		"two":                token + " " + token,
		"unicode \u00e9.txt": "é " + token,
	})
	os.Symlink(dir, filepath.Join(dir, "loop"))
	os.Symlink(filepath.Join(dir, "a.txt"), filepath.Join(dir, "link.txt"))
	r, err := Paths(context.Background(), []string{dir}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places(dir, r), "a.txt:2:5 github-pat", "big:60001:3 github-pat", "crlf:3:1 github-pat", "keep.log:1:1 github-pat", "only:1:1 github-pat",
		"sub/b.env:2:13 password", "sub/b.env:3:14 github-pat", "two:1:1 github-pat", "two:1:42 github-pat", "unicode é.txt:1:4 github-pat")
	if len(r.Skipped) != 1 || r.Skipped[0].Why != "binary" || r.Skipped[0].Failed {
		t.Errorf("skipped %+v", r.Skipped)
	}
	o := options(t)
	o.NoIgnore, o.Binary = true, true
	all, err := Paths(context.Background(), []string{dir}, o)
	if err != nil || len(all.Findings) != len(r.Findings)+7 {
		t.Errorf("%d findings without .gitignore, %v", len(all.Findings), err)
	}
}

// TestNothingWhole attacks the reports: no format shows a value, nor half of it.
func TestNothingWhole(t *testing.T) {
	const password = "t0rn-Beetle_9"
	dir := put(t, map[string]string{"a": token + "\npassword=" + password + "\n", "e\x1b[2Jvil": token})
	r, err := Paths(context.Background(), []string{dir}, options(t))
	if err != nil || len(r.Findings) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, format := range Formats() {
		var out bytes.Buffer
		if err := Report(&out, format, "v1", r); err != nil {
			t.Fatal(err)
		}
		for _, v := range []string{token, password} {
			for i := 0; i+8 <= len(v); i++ {
				if strings.Contains(out.String(), v[i:i+8]) {
					t.Fatalf("%s shows %q of a value:\n%s", format, v[i:i+8], out.String())
				}
			}
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s lets a file's name speak to the terminal", format)
		}
		if format != "text" && !json.Valid(out.Bytes()) {
			t.Errorf("%s is no JSON", format)
		}
	}
	if err := Report(&bytes.Buffer{}, "xml", "v1", r); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func TestArchives(t *testing.T) {
	zipped := zipOf(t, map[string]string{"in/zip.txt": "x\n" + token, "clean": "y"})
	tarred := gz(t, tarOf(t, map[string]string{"t.env": "T=" + token, "n.zip": zipped, "m.tgz": gz(t, tarOf(t, map[string]string{"deeper": token}))}))
	dir := put(t, map[string]string{"a.zip": zipped, "b.tar.gz": tarred, "c.gz": gz(t, token+"\n"), "bad.zip": "PK\x03\x04 no zip"})
	r, err := Paths(context.Background(), []string{dir}, options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places(dir, r), "a.zip!in/zip.txt:2:1 github-pat", "b.tar.gz!b.tar!m.tgz!m.tar!deeper:1:1 github-pat",
		"b.tar.gz!b.tar!n.zip!in/zip.txt:2:1 github-pat", "b.tar.gz!b.tar!t.env:1:3 github-pat", "c.gz!c:1:1 github-pat")
	if len(r.Skipped) != 1 || !strings.Contains(r.Skipped[0].Path, "bad.zip") || !r.Skipped[0].Failed {
		t.Errorf("skipped %+v", r.Skipped)
	}
	o := options(t)
	o.Depth, o.Binary = 0, true
	if r, _ = Paths(context.Background(), []string{dir}, o); len(r.Skipped) != 0 {
		t.Errorf("depth 0 opens archives: %+v", r.Skipped)
	}
}

// TestBomb: an archive that unpacks to more than is looked into is said to be
// one, and takes neither the memory nor the time.
func TestBomb(t *testing.T) {
	zeros := strings.Repeat("0", 8<<20)
	dir := put(t, map[string]string{
		"bomb.gz":  gz(t, zeros),
		"bomb.zip": zipOf(t, map[string]string{"a": zeros, "b": zeros}),
		"in.tgz":   gz(t, tarOf(t, map[string]string{"bomb.gz": gz(t, zeros)})),
		"fine":     token,
	})
	o := options(t)
	o.Unpacked = 1 << 20
	r, err := Paths(context.Background(), []string{dir}, o)
	if err != nil || len(r.Findings) != 1 || len(r.Skipped) != 3 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, s := range r.Skipped {
		if !s.Failed || !strings.Contains(s.Why, "unpacks to more") {
			t.Errorf("%+v", s)
		}
	}
	if r.Bytes > 8<<20 {
		t.Errorf("%d bytes were read of bombs with a limit of 1 MiB", r.Bytes)
	}
}

func TestOddFiles(t *testing.T) {
	dir := put(t, map[string]string{"empty": ""})
	sparse := filepath.Join(dir, "sparse")
	f, err := os.Create(sparse)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(10 << 30); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r, err := Paths(context.Background(), []string{dir}, options(t))
	if err != nil || len(r.Skipped) != 1 || r.Skipped[0].Why != "larger than 67108864 bytes" || r.Skipped[0].Failed {
		t.Fatalf("10 GB: %+v, %v", r, err)
	}
	if _, err := Paths(context.Background(), []string{filepath.Join(dir, "none")}, options(t)); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing path: %v", err)
	}
	// A file that opens and cannot be read, for root too.
	if r, err = Paths(context.Background(), []string{"/proc/self/mem"}, options(t)); err != nil || len(r.Skipped) != 1 || !r.Skipped[0].Failed {
		t.Errorf("an unreadable file: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Paths(ctx, []string{dir}, options(t)); err == nil {
		t.Error("a cancelled walk reports success")
	}
}

func TestReader(t *testing.T) {
	r, err := Reader(strings.NewReader("a\n"+token), "stdin", options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places("", r), "stdin:2:1 github-pat")
}

// TestVault: values of the vault are found by name, encoded as well.
func TestVault(t *testing.T) {
	set, err := redact.Compile([]redact.Needle{{Name: "API_KEY", Value: secret.New([]byte("my-very-own-value-77"))}}, redact.Options{Lanes: redact.Exact | redact.Encoded})
	if err != nil {
		t.Fatal(err)
	}
	dir := put(t, map[string]string{"a": "x\nmy-very-own-value-77\n", "b": "bXktdmVyeS1vd24tdmFsdWUtNzc=", "c": "API_KEY=my-very-own-value-77"})
	o := options(t)
	o.Vault = set
	r, err := Paths(context.Background(), []string{dir}, o)
	if err != nil {
		t.Fatal(err)
	}
	same(t, places(dir, r), "a:2:1 vault", "b:1:1 vault", "c:1:9 vault")
	for _, f := range r.Findings {
		if f.Name != "API_KEY" || f.Preview != "****" {
			t.Errorf("%+v", f)
		}
	}
}

func TestBaseline(t *testing.T) {
	dir := put(t, map[string]string{"a": token + "\n"})
	path := filepath.Join(t.TempDir(), "base.json")
	b, err := OpenBaseline(path)
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Key = b.Key
	scanned := func() []Finding {
		r, err := Paths(context.Background(), []string{dir}, o)
		if err != nil {
			t.Fatal(err)
		}
		return r.Findings
	}
	if err := b.Write(path, scanned()); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	if bytes.Contains(text, []byte(token[4:12])) {
		t.Error("the baseline holds a value")
	}
	if b, err = ReadBaseline(path); err != nil {
		t.Fatal(err)
	}
	// The value moves: still known. Another comes: new.
	os.WriteFile(filepath.Join(dir, "a"), []byte("\n\n"+token+"\n"+strings.Replace(token, "1", "7", 1)+"\n"), 0o644)
	if fresh := b.New(scanned()); len(fresh) != 1 || fresh[0].Line != 4 {
		t.Errorf("%+v", fresh)
	}
	os.WriteFile(path, []byte("{}"), 0o600)
	if _, err := ReadBaseline(path); err == nil {
		t.Error("a baseline without a key is accepted")
	}
	if _, err := ReadBaseline(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing baseline: %v", err)
	}
}

func TestGit(t *testing.T) {
	dir := put(t, map[string]string{"a.txt": "first\n"})
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	git("init", "-q")
	git("add", ".")
	git("commit", "-qm", "one")
	os.WriteFile(filepath.Join(dir, "a.txt"), []byte("first\nsecond\n"+token+"\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "we\"ird é"), []byte("x\n++ b/fake\n"+token+"\n"), 0o644)
	os.WriteFile(filepath.Join(dir, "bin"), []byte("\x00\x01"), 0o644)
	git("add", ".")
	git("commit", "-qm", "two\n\ncommit 0000000000000000000000000000000000000000")
	os.WriteFile(filepath.Join(dir, "a.txt"), []byte("first\n"), 0o644)
	git("commit", "-qam", "removed")
	// What the repository names must not run.
	bait := filepath.Join(dir, "ran")
	git("config", "diff.external", "touch "+bait)
	git("config", "core.fsmonitor", "touch "+bait)
	git("config", "core.pager", "touch "+bait)
	git("config", "diff.x.textconv", "touch "+bait)
	os.WriteFile(filepath.Join(dir, ".git/info/attributes"), []byte("* diff=x\n"), 0o644)
	r, err := Git(context.Background(), dir, options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places("", r), "a.txt:3:1 github-pat", "we\"ird é:3:1 github-pat")
	for _, f := range r.Findings {
		if len(f.Commit) != 40 || f.Commit[0] == '0' && f.Commit[39] == '0' {
			t.Errorf("commit %q", f.Commit)
		}
	}
	if _, err := os.Stat(bait); err == nil {
		t.Error("a program that the repository names was run")
	}
	if _, err := Git(context.Background(), t.TempDir(), options(t)); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("no repository: %v", err)
	}
}

func TestMCPConfigs(t *testing.T) {
	home := put(t, map[string]string{
		".cursor/mcp.json": `{"mcpServers":{"x":{"command":"npx","env":{"GITHUB_TOKEN":"` + token + `","SERVICE_API_KEY":"q7Zt4Vx9Lm2Rk8Wp"}}}}`,
		".claude.json":     `{}`, "other.json": token,
	})
	paths := MCPConfigs(home, "")
	if len(paths) != 2 {
		t.Fatalf("%q", paths)
	}
	r, err := Paths(context.Background(), paths, options(t))
	if err != nil {
		t.Fatal(err)
	}
	same(t, places(home, r), ".cursor/mcp.json:1:60 github-pat", ".cursor/mcp.json:1:121 key")
}

func gz(t testing.TB, text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(text))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func tarOf(t testing.TB, files map[string]string) string {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644, Typeflag: tar.TypeReg})
		w.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zipOf(t testing.TB, files map[string]string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, text := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

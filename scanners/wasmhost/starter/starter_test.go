package starter_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/conform"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/starter"
)

const committed = "../../../sdk/scanner/testdata"

// TestHello takes each language from nothing to a module that passes the
// conformance kit: `ov scanner new`, the build it names, pack, test. Where a
// compiler is not there the committed module is tested, and said so.
func TestHello(t *testing.T) {
	for _, lang := range starter.Languages() {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			kept := filepath.Join(committed, lang+".wasm")
			wasm, err := build(t, lang)
			if errors.Is(err, exec.ErrNotFound) && lang != "go" {
				if os.Getenv("CI") == "true" {
					t.Fatalf("CI needs all compilers (make scanner-tools): %v", err)
				}
				t.Logf("the committed module is tested, not one built here: %v", err)
				if wasm, err = os.ReadFile(kept); err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if os.Getenv("OV_UPDATE") != "" && lang != "go" {
				if err := os.WriteFile(kept, wasm, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			r := conform.Run(wasm, conform.Options{Windows: windows(t, lang)})
			var table bytes.Buffer
			r.Print(&table)
			t.Logf("\n%s", &table)
			if !r.Passed() {
				t.Error("a check failed")
			}
		})
	}
}

// windows is how many are fuzzed: OV_WINDOWS in a long run.
func windows(t *testing.T, lang string) int {
	if s := os.Getenv("OV_WINDOWS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if lang == "go" {
		return 300 // its interpreter run is what takes the time
	}
	return 3000
}

// build follows the steps that `ov scanner new` prints.
func build(t *testing.T, lang string) ([]byte, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "my-scanner")
	command, err := starter.New(lang, dir)
	if err != nil {
		return nil, err
	}
	if command, err = compiler(lang, command); err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-euc", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "my-scanner.wasm"))
	if err != nil {
		return nil, err
	}
	return manifest.PackFile(wasm, filepath.Join(dir, "scanner.toml"))
}

// compiler puts the compiler of this machine into a build command.
func compiler(lang, command string) (string, error) {
	switch lang {
	case "c":
		_, err := exec.LookPath("wasm-ld")
		if err == nil {
			_, err = exec.LookPath("clang")
		}
		return command, err
	case "rust":
		for _, rustc := range []string{"rustc", "/usr/bin/rustc"} {
			root, err := exec.Command(rustc, "--print", "sysroot").Output()
			if err != nil {
				continue
			}
			if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(root)), "lib/rustlib/wasm32-unknown-unknown/lib")); err == nil {
				return strings.Replace(command, "rustc", rustc, 1), nil
			}
		}
		return "", &exec.Error{Name: "rustc for wasm32-unknown-unknown", Err: exec.ErrNotFound}
	case "assemblyscript":
		asc, err := exec.LookPath(filepath.Join(os.Getenv("SCANNER_TOOLS"), "node_modules/.bin/asc"))
		if err != nil {
			return "", &exec.Error{Name: "asc", Err: exec.ErrNotFound}
		}
		return strings.Replace(command, "npx --yes -p assemblyscript@0.28 asc", asc, 1), nil
	}
	return command, nil
}

// TestHelloIsShort: a first scanner is at most twenty lines in each language.
func TestHelloIsShort(t *testing.T) {
	files, err := filepath.Glob("../../../sdk/scanner/hello/*/*")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v: the test looks in the wrong place", files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte("\n")); n > 20 {
			t.Errorf("%s has %d lines", f, n)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := starter.New("cobol", filepath.Join(dir, "x")); !errors.Is(err, starter.ErrLanguage) || !strings.Contains(err.Error(), "go, c, rust") {
		t.Errorf("cobol: %v", err)
	}
	if _, err := starter.New("c", filepath.Join(dir, "My Scanner")); err == nil || !strings.Contains(err.Error(), "slug") {
		t.Errorf("a name with a space: %v", err)
	}
	if _, err := starter.New("c", dir); err == nil {
		t.Error("it wrote into a folder that is there")
	}
}

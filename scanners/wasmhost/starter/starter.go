// Package starter writes the first files of a scanner, in the language of its
// author.
package starter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/sdk/scanner"
)

// ErrLanguage is the answer to a language that there is no SDK for.
var ErrLanguage = errors.New("no SDK for this language")

// A language is what a new scanner is made of.
type language struct {
	name    string
	files   map[string]string // in the new folder -> in scanner.Files
	edits   []string          // old, new: paths that change with the folder
	pages   int               // memory_pages, 0 for the default
	prepare string            // what build.sh does first
	build   string            // makes NAME.wasm
	module  bool              // with a go.mod
}

func languages() []language {
	return []language{
		{name: "go", files: map[string]string{"main.go": "hello/go/main.go", "scanner/scanner.go": "scanner.go", "scanner/guest.go": "guest.go"},
			edits: []string{"github.com/opaquevault/ov/sdk/scanner", "NAME/scanner"}, pages: manifest.MaxPages, module: true,
			build: "GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -ldflags=-s -o NAME.wasm ."},
		{name: "c", files: map[string]string{"NAME.c": "hello/c/hello.c", "ov_scanner.h": "c/ov_scanner.h"},
			build: "clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o NAME.wasm NAME.c"},
		{name: "rust", files: map[string]string{"NAME.rs": "hello/rust/hello.rs", "ov_scanner.rs": "rust/ov_scanner.rs"},
			edits:   []string{"../../rust/", ""},
			prepare: findRust,
			build:   "rustc --target wasm32-unknown-unknown -O --crate-type cdylib -C panic=abort -o NAME.wasm NAME.rs"},
		{name: "assemblyscript", files: map[string]string{"NAME.ts": "hello/assemblyscript/hello.ts", "ov.ts": "assemblyscript/ov.ts"},
			edits: []string{"../../assemblyscript/ov", "./ov"},
			build: "npx --yes -p assemblyscript@0.28 asc NAME.ts -O --runtime stub --exportStart _initialize --use abort= -o NAME.wasm"},
	}
}

// findRust takes the compiler that has the library: rustup's may lack what Debian's
// has, or the other way round.
const findRust = `has() { [ -d "$("$1" --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown/lib" ]; }
has rustc || { has /usr/bin/rustc && PATH=/usr/bin:$PATH; } || {
	echo "no rustc has the library of wasm32: rustup target add wasm32-unknown-unknown, or apt-get install rustc libstd-rust-dev-wasm32" >&2
	exit 1
}
`

// Languages returns the names of the languages.
func Languages() []string {
	var names []string
	for _, l := range languages() {
		names = append(names, l.name)
	}
	return names
}

// New writes a scanner that works into a new folder and returns the command that
// builds it.
func New(lang, dir string) (build string, err error) {
	name := filepath.Base(dir)
	if !manifest.Slug(name) {
		return "", fmt.Errorf("name %q is not a slug (a-z 0-9 - _ .)", name)
	}
	for _, l := range languages() {
		if l.name == lang {
			return strings.ReplaceAll(l.build, "NAME", name), l.write(dir, name)
		}
	}
	return "", fmt.Errorf("%q: %w: want one of %s", lang, ErrLanguage, strings.Join(Languages(), ", "))
}

func (l *language) write(dir, name string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	named := func(s string) string { return strings.ReplaceAll(s, "NAME", name) }
	edit := strings.NewReplacer(l.edits...)
	out := map[string]string{"build.sh": "#!/bin/sh -eu\n" + l.prepare + named(l.build) + "\n"}
	for to, from := range l.files {
		b, err := fs.ReadFile(scanner.Files, from)
		if err != nil {
			return err
		}
		out[named(to)] = named(edit.Replace(string(b)))
	}
	b, err := fs.ReadFile(scanner.Files, "hello/scanner.toml")
	if err != nil {
		return err
	}
	out["scanner.toml"] = strings.Replace(string(b), `"hello"`, `"`+name+`"`, 1)
	if l.pages > 0 {
		out["scanner.toml"] = fmt.Sprintf("memory_pages = %d\n", l.pages) + out["scanner.toml"]
	}
	if l.module {
		out["go.mod"] = "module " + name + "\n\ngo 1.24\n"
	}
	for path, text := range out {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if strings.HasSuffix(path, ".sh") {
			mode = 0o755
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return err
		}
	}
	return nil
}

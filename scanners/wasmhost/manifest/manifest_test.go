package manifest_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

func parse(t *testing.T, b []byte) *module.Module {
	t.Helper()
	m, err := module.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDefaults(t *testing.T) {
	b := (&asm.Module{}).WithManifest(`{"abi":1,"name":"n","rules":[{"id":"r","keywords":["abc"]},{"id":"q","keywords":["xyz"],"before":10,"after":90}]}`)
	m, err := manifest.Read(parse(t, b))
	if err != nil {
		t.Fatal(err)
	}
	if m.Mode != manifest.Window || m.MemoryPages != 64 || m.MaxWindow != 100 || m.Rules[0].After != 64 || m.Rules[0].Severity != "high" {
		t.Errorf("%+v", m)
	}
	if notes := m.Lint(); len(notes) != 1 || !strings.Contains(notes[0], "before = 10") {
		t.Errorf("notes %q", notes)
	}
	b = (&asm.Module{}).WithManifest(`{"abi":1,"name":"n","mode":"stream","rules":[{"id":"r"}]}`)
	if m, err = manifest.Read(parse(t, b)); err != nil || m.MaxWindow != 4096 || len(m.Lint()) != 1 {
		t.Errorf("%+v %v", m, err)
	}
}

// TestRefuses: each bad manifest is refused for its reason.
func TestRefuses(t *testing.T) {
	rule := func(s string) string { return `{"abi":1,"name":"n","rules":[{` + s + `}]}` }
	many := func(n int, f func(i int) string) string {
		var all []string
		for i := range n {
			all = append(all, f(i))
		}
		return strings.Join(all, ",")
	}
	for _, c := range []struct{ text, want string }{
		{``, "not JSON"}, {`[]`, "not JSON"}, {`{"abi":1`, "not JSON"}, {"\xff\xfe", "not JSON"},
		{`{"abi":"1"}`, "not JSON"},
		{`{}`, "wrong ABI version 0"},
		{`{"abi":1}`, "is not a slug"},
		{`{"abi":1,"name":"` + strings.Repeat("a", 41) + `"}`, "is not a slug"},
		{`{"abi":1,"name":".."}`, "is not a slug"},
		{`{"abi":1,"name":"a b"}`, "is not a slug"},
		{`{"abi":1,"name":"n","mode":"both"}`, `mode "both"`},
		{`{"abi":1,"name":"n","memory_pages":257}`, "memory_pages 257"},
		{`{"abi":1,"name":"n","memory_pages":-1}`, "memory_pages -1"},
		{`{"abi":1,"name":"n","max_window":65537}`, "max_window 65537"},
		{`{"abi":1,"name":"n","rules":[]}`, "0 rules"},
		{`{"abi":1,"name":"n","rules":[` + many(257, func(int) string { return `{"id":"r","keywords":["abc"]}` }) + `]}`, "257 rules"},
		{`{"abi":1,"name":"n","description":"\u001b]0;x\u0007","rules":[{"id":"r","keywords":["abc"]}]}`, "control characters"},
		{`{"abi":1,"name":"n","license":"` + strings.Repeat("x", 2000) + `","rules":[{"id":"r","keywords":["abc"]}]}`, "too long"},
		{`{"abi":1,"name":"n","max_window":50,"rules":[{"id":"r","keywords":["abc"]}]}`, "longer than max_window 50"},
		{rule(`"id":"R","keywords":["abc"]`), "the id is not a slug"},
		{rule(`"id":"r","keywords":["abc"]},{"id":"r","keywords":["abc"]`), "there twice"},
		{rule(`"id":"r"`), "0 keywords"},
		{rule(`"id":"r","keywords":[` + many(65, func(int) string { return `"abc"` }) + `]`), "65 keywords"},
		{rule(`"id":"r","after":255,"keywords":[` + many(20, func(i int) string { return `"` + strings.Repeat(string(rune('a'+i)), 250) + `"` }) + `]`), "keywords of 5000 bytes"},
		{rule(`"id":"r","keywords":["ab"]`), `keyword "ab"`},
		{rule(`"id":"r","keywords":["abcdef"],"after":5`), `keyword "abcdef"`},
		{rule(`"id":"r","keywords":["abc"],"before":-1`), "out of range"},
		{rule(`"id":"r","keywords":["abc"],"after":70000`), "out of range"},
		{rule(`"id":"r","keywords":["abc"],"before":60000,"after":60000`), "longer than max_window"},
		{rule(`"id":"r","keywords":["abc"],"severity":"bad"`), `severity "bad"`},
		{rule(`"id":"r","keywords":["abc"],"until":"` + strings.Repeat("x", 65) + `"`), "too long"},
		{rule(`"id":"r","keywords":["abc"],"until":"a\nb"`), "control characters"},
		{rule(`"id":"r","keywords":["abc"],"regex":"x"`), `unknown field "regex"`},
		{`{"abi":1,"name":"n","mode":"stream","rules":[{"id":"r","keywords":["abc"]}]}`, "of window mode"},
	} {
		_, err := manifest.Read(parse(t, (&asm.Module{}).WithManifest(c.text+" ")))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.120s: %v, want %q", c.text, err, c.want)
		}
	}
	if _, err := manifest.Read(parse(t, (&asm.Module{}).Bytes())); !errors.Is(err, manifest.ErrNone) {
		t.Errorf("no section: %v", err)
	}
}

const source = `name = "n"
version = "2"
[[rules]]
id = "r"
keywords = ["abc"]
[[golden]]
name = "one"
input = "x abc"
output = "x [REDACTED:r]"
`

// TestPack: what is packed is read, packing again replaces it, the rest of the
// module stays.
func TestPack(t *testing.T) {
	m := &asm.Module{}
	m.Func(nil, nil, nil)
	m.Custom("name", []byte("kept"))
	m.Custom(".debug_info", make([]byte, 1000))
	wasm := m.Bytes()
	packed, err := manifest.Pack(wasm, []byte(strings.Replace(source, `"n"`, `"old"`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if packed, err = manifest.Pack(packed, []byte(source)); err != nil {
		t.Fatal(err)
	}
	p := parse(t, packed)
	man, err := manifest.Read(p)
	if err != nil || man.Name != "n" || man.Version != "2" || man.ABI != 1 {
		t.Errorf("%+v %v", man, err)
	}
	golden, err := manifest.Golden(p)
	if err != nil || len(golden) != 1 || golden[0].Output != "x [REDACTED:r]" {
		t.Errorf("%+v %v", golden, err)
	}
	if len(p.Custom("name")) != 1 || len(p.Custom(".debug_info")) != 0 || len(p.Bodies) != 1 {
		t.Error("the module is not what it was")
	}
}

func TestPackRefuses(t *testing.T) {
	wasm := (&asm.Module{}).Bytes()
	for name, c := range map[string]struct {
		wasm   []byte
		source string
		want   string
	}{
		"not WASM":       {[]byte("text"), source, "not a WebAssembly module"},
		"not TOML":       {wasm, "name = ", "read manifest"},
		"an unknown key": {wasm, "keywrods = []\n" + source, `unknown key "keywrods"`},
		"another ABI":    {wasm, "abi = 2\n" + source, "wrong ABI version 2"},
		"no rules":       {wasm, `name = "n"`, "0 rules"},
		"too many cases": {wasm, source + "[[golden]]\nname=\"long\"\ninput=\"" + strings.Repeat("x", 1<<20) + "\"\noutput=\"\"\n", "larger than"},
	} {
		if _, err := manifest.Pack(c.wasm, []byte(c.source)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %.200v, want %q", name, err, c.want)
		}
	}
	if _, err := manifest.PackFile(wasm, filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzRead: any bytes as a manifest give an error or one that is complete, and
// reads again as itself.
func FuzzRead(f *testing.F) {
	f.Add([]byte(asm.Manifest))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.Read(parse(t, (&asm.Module{}).WithManifest(string(b)+" ")))
		if err != nil {
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.Read(parse(t, (&asm.Module{}).WithManifest(string(again)))); err != nil {
			t.Errorf("%s does not read again: %v", again, err)
		}
	})
}

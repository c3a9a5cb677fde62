package builtin

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	engine "github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// A sample is one line of a corpus.
type sample struct{ Rule, Ctx, Text, Secret string }

// corpus reads a file of testdata.
func corpus(t testing.TB, name string) []sample {
	t.Helper()
	var all []sample
	s := bufio.NewScanner(bytes.NewReader(unzip(t, "testdata/"+name+".jsonl.gz")))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v sample
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return all
}

func unzip(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// innocents returns the files without secrets, by name.
func innocents(t testing.TB) map[string][]byte {
	t.Helper()
	paths, _ := filepath.Glob("testdata/innocent/*.gz")
	if len(paths) < 10 {
		t.Fatal("innocent output is missing")
	}
	all := map[string][]byte{}
	for _, p := range paths {
		all[filepath.Base(p)] = unzip(t, p)
	}
	return all
}

func compile(t testing.TB, level scan.Tier) *engine.Set {
	t.Helper()
	set, err := engine.Compile(All(), level)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// mask returns the text as a filter leaves it, and what it found.
func mask(t testing.TB, set *engine.Set, parts ...[]byte) (string, []string) {
	t.Helper()
	var out bytes.Buffer
	var found []string
	f := engine.NewFilter(&out, set, func(d engine.Finding) { found = append(found, set.Rule(d.Rule).ID+"\t"+string(d.Value)) })
	for _, p := range parts {
		if _, err := f.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String(), found
}

// covered reports whether no 8-byte window of the secret is left.
func covered(text, secret string) bool {
	n := min(8, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if bytes.Contains([]byte(text), []byte(secret[i:i+n])) {
			return false
		}
	}
	return true
}

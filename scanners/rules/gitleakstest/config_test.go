package gitleakstest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/zricethezav/gitleaks/v8/config"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
)

type sample struct{ Rule, Text, Secret string }

func corpus(t testing.TB, name string) []sample {
	f, err := os.Open("../../builtin/testdata/" + name + ".jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(z)
	s.Buffer(nil, 1<<20)
	var all []sample
	for s.Scan() {
		var v sample
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) == 0 {
		t.Fatal("the corpus is empty")
	}
	return all
}

func load(t testing.TB) *rules.File {
	f, err := rules.Parse("gitleaks.toml", []byte(config.DefaultConfig), true)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestConfig loads the file as gitleaks ships it: every rule with an expression
// is there, and what is not heeded is said.
func TestConfig(t *testing.T) {
	f := load(t)
	want := strings.Count(config.DefaultConfig, "\nregex = ")
	if f.Len != want || want < 200 {
		t.Errorf("%d rules, want %d", f.Len, want)
	}
	said := strings.Join(f.Notes, "\n")
	if !strings.Contains(said, `(?i)^true|false|null$`) {
		t.Errorf("nothing is said of the broken allowlist:\n%s", said)
	}
}

// TestPositives measures what is covered of the examples that gitleaks makes for
// its own rules.
func TestPositives(t *testing.T) {
	file := load(t).Scanner
	for _, c := range []struct {
		name     string
		scanners []scan.Scanner
		level    scan.Tier
		floor    float64
		fair     float64
	}{
		{"file alone", []scan.Scanner{file}, scan.Strict, 0.97, 0.98},
		{"strict with the file", append(builtin.All(), file), scan.Strict, 0.98, 0.99},
	} {
		set, err := rule.Compile(c.scanners, c.level)
		if err != nil {
			t.Fatal(err)
		}
		ok, fair, all := 0, 0, 0
		missed := map[string]int{}
		for _, v := range corpus(t, "positives") {
			if v.Secret == "" {
				continue
			}
			all++
			out := mask(t, set, []byte(v.Text))
			if coveredButFor(out, v.Secret, strings.ReplaceAll(v.Text, v.Secret, "\n")) {
				fair++
			}
			if covered(out, v.Secret) {
				ok++
			} else {
				missed[v.Rule]++
				if os.Getenv("V") != "" && missed[v.Rule] < 3 {
					t.Logf("%s %.160q => %.160q", v.Rule, v.Text, out)
				}
			}
		}
		share := float64(ok) / float64(all)
		rest := float64(fair) / float64(all)
		t.Logf("%s: %d of %d, %.1f %%; %.1f %% but for what the text holds beside the secret; missed %v", c.name, ok, all, 100*share, 100*rest, missed)
		if share < c.floor || rest < c.fair {
			t.Errorf("%s: %.3f and %.3f, want %.3f and %.3f", c.name, share, rest, c.floor, c.fair)
		}
	}
}

func mask(t testing.TB, set *rule.Set, in []byte) string {
	var out bytes.Buffer
	f := rule.NewFilter(&out, set, nil)
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// coveredButFor is covered, but for what stands in the rest of the text as well:
// the secret rubygems_... may follow the name rubygemsToken.
func coveredButFor(text, secret, rest string) bool {
	n := min(8, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if w := secret[i : i+n]; strings.Count(text, w) > strings.Count(rest, w) {
			return false
		}
	}
	return true
}

func covered(text, secret string) bool {
	n := min(8, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return false
		}
	}
	return true
}

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
	}{
		{"file alone", []scan.Scanner{file}, scan.Strict, 0.90},
		{"strict with the file", append(builtin.All(), file), scan.Strict, 0.97},
	} {
		set, err := rule.Compile(c.scanners, c.level)
		if err != nil {
			t.Fatal(err)
		}
		ok, all := 0, 0
		missed := map[string]int{}
		for _, v := range corpus(t, "positives") {
			if v.Secret == "" {
				continue
			}
			all++
			if out := mask(t, set, []byte(v.Text)); covered(out, v.Secret) {
				ok++
			} else {
				missed[v.Rule]++
				if os.Getenv("V") != "" && missed[v.Rule] < 3 {
					t.Logf("%s %.160q => %.160q", v.Rule, v.Text, out)
				}
			}
		}
		share := float64(ok) / float64(all)
		t.Logf("%s: %d of %d, %.1f %%; missed %v", c.name, ok, all, 100*share, missed)
		if share < c.floor {
			t.Errorf("%s: %.3f, want %.3f", c.name, share, c.floor)
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

func covered(text, secret string) bool {
	n := min(8, len(secret))
	for i := 0; i+n <= len(secret); i++ {
		if strings.Contains(text, secret[i:i+n]) {
			return false
		}
	}
	return true
}

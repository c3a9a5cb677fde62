package builtin

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// tally counts how many of a kind were covered.
type tally struct{ ok, all int }

func (t *tally) add(ok bool) {
	t.all++
	if ok {
		t.ok++
	}
}

func (t tally) String() string {
	if t.all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", 100*float64(t.ok)/float64(t.all))
}

// score is what a level does on a corpus.
type score struct {
	total       tally
	rules, ctxs map[string]*tally
}

func judge(t testing.TB, level scan.Tier, name string) score {
	s := score{rules: map[string]*tally{}, ctxs: map[string]*tally{}}
	set := compile(t, level)
	for _, v := range corpus(t, name) {
		if v.Secret == "" {
			continue
		}
		out, _ := mask(t, set, []byte(v.Text))
		ok := covered(out, v.Secret)
		s.total.add(ok)
		for m, k := range map[*map[string]*tally]string{&s.rules: v.Rule, &s.ctxs: v.Ctx} {
			if (*m)[k] == nil {
				(*m)[k] = &tally{}
			}
			(*m)[k].add(ok)
		}
	}
	return s
}

// falseMasks returns how many findings a level has in innocent output, and the
// megabytes of it.
func falseMasks(t testing.TB, level scan.Tier) (n int, mb float64) {
	set := compile(t, level)
	for name, b := range innocents(t) {
		_, found := mask(t, set, b)
		mb += float64(len(b)) / 1e6
		n += len(found)
		if len(found) > 0 && level < scan.Strict {
			t.Logf("%s: %q", name, found[:min(3, len(found))])
		}
	}
	return n, mb
}

var levelNames = map[scan.Tier]string{scan.Precise: "precise", scan.Balanced: "balanced", scan.Strict: "strict"}

// TestRecall holds the levels to what they cover, and writes the tables of
// docs/scanners.md to the file that OV_SCAN_REPORT names.
func TestRecall(t *testing.T) {
	floor := map[scan.Tier][3]float64{scan.Precise: {0.94, 0.95, 0.55}, scan.Balanced: {0.98, 0.99, 0.93}, scan.Strict: {0.98, 0.99, 0.93}}
	var b strings.Builder
	b.WriteString("| level | vendor contexts % | other contexts % | gitleaks positives % | false masks | per MB |\n|---|---|---|---|---|---|\n")
	scores := map[scan.Tier]score{}
	for _, level := range []scan.Tier{scan.Precise, scan.Balanced, scan.Strict} {
		vendor, other, positive := judge(t, level, "vendor_contexts"), judge(t, level, "other_contexts"), judge(t, level, "positives")
		scores[level] = vendor
		n, mb := falseMasks(t, level)
		fmt.Fprintf(&b, "| %s | %v | %v | %v | %d | %.2f |\n", levelNames[level], vendor.total, other.total, positive.total, n, float64(n)/mb)
		for i, got := range []tally{vendor.total, other.total, positive.total} {
			if share := float64(got.ok) / float64(got.all); share < floor[level][i] {
				t.Errorf("%s covers %v %%, want at least %v", levelNames[level], got, 100*floor[level][i])
			}
		}
		if level < scan.Strict && n > 0 {
			t.Errorf("%s: %d false masks", levelNames[level], n)
		}
	}
	if path := os.Getenv("OV_SCAN_REPORT"); path != "" {
		table(&b, "context", func(s score) map[string]*tally { return s.ctxs }, scores)
		table(&b, "rule", func(s score) map[string]*tally { return s.rules }, scores)
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// table writes a row for each context or rule that is not covered wholly, worst
// first.
func table(b *strings.Builder, what string, pick func(score) map[string]*tally, scores map[scan.Tier]score) {
	fmt.Fprintf(b, "\n| %s | precise %% | balanced %% | strict %% |\n|---|---|---|---|\n", what)
	at := func(l scan.Tier, k string) tally { return *pick(scores[l])[k] }
	keys := slices.SortedFunc(maps.Keys(pick(scores[scan.Precise])), func(x, y string) int {
		p, q := at(scan.Precise, x), at(scan.Precise, y)
		return cmp.Or(cmp.Compare(p.ok*q.all, q.ok*p.all), cmp.Compare(x, y))
	})
	for _, k := range keys {
		fmt.Fprintf(b, "| %s | %v | %v | %v |\n", k, at(scan.Precise, k), at(scan.Balanced, k), at(scan.Strict, k))
	}
}

// TestEveryContext holds single contexts to the targets.
func TestEveryContext(t *testing.T) {
	s := judge(t, scan.Balanced, "vendor_contexts")
	for name, want := range map[string]float64{"ansi": 98, "url-userinfo": 95, "sentence": 95, "xml-element": 95, "csv": 95, "paren-log": 95, "json-escaped": 95, "diff": 95} {
		if got := s.ctxs[name]; got == nil || 100*float64(got.ok)/float64(got.all) < want {
			t.Errorf("context %s: %v %%, want %v", name, got, want)
		}
	}
	for _, name := range []string{"github-app", "github-app-v2"} {
		if got := s.rules[name]; got == nil || got.ok != got.all {
			t.Errorf("rule %s: %v %%, want all", name, got)
		}
	}
}

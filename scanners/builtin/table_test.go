package builtin

import (
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// TestPrefixes holds each row against its own example and counter-example, in
// contexts that a vendor's token is printed in.
func TestPrefixes(t *testing.T) {
	rows := prefixes()
	if len(rows) < 150 {
		t.Fatalf("%d prefix rules", len(rows))
	}
	set := compile(t, scan.Strict)
	seen := map[string]bool{}
	for _, p := range rows {
		if seen[p.id] {
			t.Errorf("%s is there twice", p.id)
		}
		seen[p.id] = true
		if p.source == "" || p.eg == "" || p.no == "" || p.exact && p.max < p.min {
			t.Errorf("%s is incomplete", p.id)
		}
		for _, k := range p.keys {
			token := k + p.eg
			for _, c := range [][2]string{{"", "\n"}, {"x=", "&y"}, {"\x1b[32m", "\x1b[0m"}, {`{"a":"`, `"}`}, {`\n`, `\n`}, {"k%3D", "%26"}, {"(", ")"}, {"> ", " <"}} {
				out, found := mask(t, set, []byte(c[0]+token+c[1]))
				if strings.Contains(out, p.eg[:8]) || !names(found, p.id) {
					t.Errorf("%s in %q: %q, found %q", p.id, c, out, found)
				}
			}
		}
		if _, found := mask(t, set, []byte(p.no)); names(found, p.id) {
			t.Errorf("%s finds its counter-example %q: %q", p.id, p.no, found)
		}
	}
}

// TestLabels holds each label against its example and counter-example.
func TestLabels(t *testing.T) {
	set := compile(t, scan.Strict)
	for _, l := range labels {
		if l.source == "" || l.eg == "" || l.no == "" {
			t.Errorf("%s is incomplete", l.id)
		}
		if _, found := mask(t, set, []byte(l.eg)); !names(found, l.id) {
			t.Errorf("%s does not find its example %q: %q", l.id, l.eg, found)
		}
		if _, found := mask(t, set, []byte(l.no)); names(found, l.id) {
			t.Errorf("%s finds its counter-example %q: %q", l.id, l.no, found)
		}
	}
}

func names(found []string, id string) bool {
	for _, f := range found {
		if strings.HasPrefix(f, id+"\t") {
			return true
		}
	}
	return false
}

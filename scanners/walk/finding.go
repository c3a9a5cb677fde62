package walk

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// A Finding is one secret in one place. It never holds the value.
type Finding struct {
	Path        string    `json:"path"`
	Line        int       `json:"line"`
	Column      int       `json:"column"`
	Rule        string    `json:"rule"`             // "vault" for a value of the vault
	Name        string    `json:"name,omitempty"`   // of the vault's secret
	Lane        string    `json:"lane,omitempty"`   // how that value lies there: exact, encoded ...
	Label       string    `json:"label,omitempty"`  // what a check said
	Commit      string    `json:"commit,omitempty"` // where git brought it in
	Length      int       `json:"length"`
	Preview     string    `json:"preview"`
	Fingerprint string    `json:"fingerprint"`
	Tier        scan.Tier `json:"-"`
	Level       string    `json:"level"`
}

func (f Finding) compare(g Finding) int {
	return cmp.Or(cmp.Compare(f.Path, g.Path), cmp.Compare(f.Commit, g.Commit), cmp.Compare(f.Line, g.Line),
		cmp.Compare(f.Column, g.Column), cmp.Compare(f.Rule, g.Rule))
}

func compareStrings(a, b string) int { return cmp.Compare(a, b) }

// preview shows what kind of value it is and no more: the first four bytes of one
// of 20 or more, for prefixes are public.
func preview(value []byte) string {
	if len(value) < 20 {
		return "****"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x21 || r > 0x7e {
			return '?'
		}
		return r
	}, string(value[:4])) + "****"
}

// fingerprint tells findings apart without telling what was found.
func fingerprint(key []byte, rule, path string, value []byte) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%d:%s%d:%s%d:", len(rule), rule, len(path), path, len(value))
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// where says what a stream is, beside its path.
type where struct {
	commit string
	line   func(int) int // line of the stream -> line of the file; nil: the same
}

// hit is a finding as the rules report it.
type hit struct {
	Finding
	start, end int64
	order      int
}

// stream looks through one stream.
func (w *walker) stream(r io.Reader, path string, at where) error {
	var hits []hit
	var lines lines
	sinks := []io.Writer{&lines}
	var closers []io.Closer
	if w.Rules != nil {
		f := rule.NewFilter(io.Discard, w.Rules, func(d rule.Finding) {
			r := w.Rules.Rule(d.Rule)
			h := hit{start: d.Start, end: d.End, order: d.Rule}
			h.Finding = Finding{Rule: r.ID, Label: d.Label, Tier: r.Tier, Preview: preview(d.Value), Fingerprint: fingerprint(w.Key, r.ID, path, d.Value)}
			h.Line, h.Column = lines.at(d.Start)
			hits = append(hits, h)
		})
		sinks, closers = append(sinks, f), append(closers, f)
	}
	if w.Vault != nil {
		v := redact.NewWriter(io.Discard, w.Vault, func(m redact.Mask) {
			h := hit{start: m.Start, end: m.End, order: -1}
			h.Finding = Finding{Rule: "vault", Name: m.Name, Lane: m.Lane.String(), Preview: "****", Fingerprint: fingerprint(w.Key, "vault", path, []byte(m.Name))}
			h.Line, h.Column = lines.at(m.Start)
			hits = append(hits, h)
		})
		sinks, closers = append(sinks, v), append(closers, v)
	}
	_, err := io.CopyBuffer(io.MultiWriter(sinks...), &counter{r, w}, make([]byte, 128<<10))
	for _, c := range closers {
		if e := c.Close(); err == nil {
			err = e
		}
	}
	w.take(hits, path, at)
	return err
}

// counter counts the bytes that are read, and hides WriteTo.
type counter struct {
	r io.Reader
	w *walker
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.w.bytes.Add(int64(n))
	return n, err
}

// take enters the hits, one for each value: of several rules that overlap the
// most certain one stays.
func (w *walker) take(hits []hit, path string, at where) {
	slices.SortFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.order, b.order))
	})
	var kept []hit
	for _, h := range hits {
		if n := len(kept); n > 0 && h.start < kept[n-1].end {
			if last := &kept[n-1]; h.order < 0 && last.order >= 0 || last.order >= 0 && h.Tier < last.Tier {
				h.start, h.end = last.start, max(h.end, last.end)
				*last = h
			}
			continue
		}
		kept = append(kept, h)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range kept {
		h.Path, h.Commit, h.Length = path, at.commit, int(h.end-h.start)
		h.Level = levels[h.Tier]
		if at.line != nil {
			h.Line = at.line(h.Line)
		}
		w.result.Findings = append(w.result.Findings, h.Finding)
	}
}

// levels are the names of the tiers.
var levels = [...]string{"known", "precise", "balanced", "strict"}

// lines knows where the lines of a stream start, as far back as a finding can
// be.
type lines struct {
	starts []int64 // of the last lines
	first  int     // number of the line at starts[0], from 0
	offset int64
}

// keepBack is more than any finding is behind the end of what was read.
const keepBack = 1 << 20

func (l *lines) Write(b []byte) (int, error) {
	if l.starts == nil {
		l.starts = []int64{0}
	}
	for i, c := range b {
		if c == '\n' {
			l.starts = append(l.starts, l.offset+int64(i)+1)
		}
	}
	l.offset += int64(len(b))
	if old := sort.Search(len(l.starts), func(i int) bool { return l.starts[i] >= l.offset-keepBack }) - 1; old > 1<<16 {
		l.starts = l.starts[:copy(l.starts, l.starts[old:])]
		l.first += old
	}
	return len(b), nil
}

// at returns line and column, both from 1, of an offset.
func (l *lines) at(offset int64) (line, column int) {
	i := sort.Search(len(l.starts), func(i int) bool { return l.starts[i] > offset }) - 1
	if i < 0 {
		return l.first + 1, 1
	}
	return l.first + i + 1, int(offset-l.starts[i]) + 1
}

package tools

import (
	"crypto/rand"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/walk"
)

const defaultFindings = 100

type scanResult struct {
	Findings []scanFinding `json:"findings"`
	Total    int           `json:"total"`
	Files    int64         `json:"files"`
	Bytes    int64         `json:"bytes"`
	Skipped  int           `json:"skipped"`
}

type scanFinding struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Rule    string `json:"rule"`
	Label   string `json:"label,omitempty"`
	Length  int    `json:"length"`
	Preview string `json:"preview"`
}

// scan is vault_scan. It looks by shape alone: the vault's own values are no
// needles of a model's search.
func (t *Tools) scan(c *call) (any, error) {
	var a struct {
		Path  string `json:"path"`
		Text  string `json:"text"`
		Level string `json:"level"`
		Max   int    `json:"max_findings"`
	}
	if err := c.into(&a); err != nil {
		return nil, err
	}
	tiers := map[string]scan.Tier{"": scan.Balanced, "precise": scan.Precise, "balanced": scan.Balanced, "strict": scan.Strict}
	tier, ok := tiers[a.Level]
	switch {
	case !ok:
		return nil, badInput("level: want precise, balanced or strict")
	case (a.Path == "") == (a.Text == ""):
		return nil, badInput("give either path or text")
	case a.Path != "" && !filepath.IsAbs(a.Path):
		return nil, badInput("path: want an absolute path")
	case a.Max < 0 || a.Max > 1000:
		return nil, badInput("max_findings: 1 to 1000")
	}
	rules, err := rule.Compile(c.masks.Redact.Scanners, tier)
	if err != nil {
		return nil, err
	}
	o := walk.Options{Rules: rules, Key: make([]byte, 32), MaxSize: walk.DefaultMaxSize, Depth: walk.DefaultDepth}
	rand.Read(o.Key)
	var r *walk.Result
	if a.Path != "" {
		r, err = walk.Paths(c.ctx, []string{a.Path}, o)
	} else {
		r, err = walk.Reader(strings.NewReader(a.Text), "text", o)
	}
	if err != nil {
		return nil, err
	}
	out := scanResult{Findings: []scanFinding{}, Total: len(r.Findings), Files: r.Files, Bytes: r.Bytes, Skipped: len(r.Skipped)}
	for _, f := range r.Findings[:min(len(r.Findings), or0(a.Max, defaultFindings))] {
		out.Findings = append(out.Findings, scanFinding{f.Path, f.Line, f.Column, f.Rule, f.Label, f.Length, f.Preview})
	}
	return out, nil
}

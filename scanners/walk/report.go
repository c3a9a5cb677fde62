package walk

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Formats are the ways to write a report.
func Formats() []string { return []string{"text", "json", "sarif"} }

// Report writes a result in a format.
func Report(w io.Writer, format, version string, r *Result) error {
	switch format {
	case "text":
		return text(w, r)
	case "json":
		if r.Findings == nil {
			r.Findings = []Finding{}
		}
		if r.Skipped == nil {
			r.Skipped = []Skip{}
		}
		return indented(w, r)
	case "sarif":
		return indented(w, sarif(version, r))
	}
	return fmt.Errorf("format %q: want one of %s", format, strings.Join(Formats(), ", "))
}

func indented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func text(w io.Writer, r *Result) error {
	for _, f := range r.Findings {
		place := fmt.Sprintf("%s:%d:%d", printable(f.Path), f.Line, f.Column)
		if f.Commit != "" {
			place = f.Commit[:min(10, len(f.Commit))] + " " + place
		}
		what := f.Rule
		if f.Name != "" {
			what += " " + f.Name
		}
		if f.Label != "" {
			what += ", " + f.Label
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s (%d bytes)\n", place, what, f.Preview, f.Length); err != nil {
			return err
		}
	}
	return nil
}

// printable keeps a file's name from speaking to the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// The parts of SARIF 2.1.0 that a code host reads.
// Source: docs.oasis-open.org/sarif/sarif/v2.1.0.
type (
	sarifLog struct {
		Version string     `json:"version"`
		Schema  string     `json:"$schema"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Results     []sarifResult     `json:"results"`
		Invocations []sarifInvocation `json:"invocations"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID       string            `json:"ruleId"`
		Level        string            `json:"level"`
		Message      sarifMessage      `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"fingerprints"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical struct {
			Artifact struct {
				URI string `json:"uri"`
			} `json:"artifactLocation"`
			Region struct {
				Line   int `json:"startLine"`
				Column int `json:"startColumn"`
			} `json:"region"`
		} `json:"physicalLocation"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string       `json:"level"`
		Message sarifMessage `json:"message"`
	}
)

func sarif(version string, r *Result) sarifLog {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "ov", Version: version, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	seen := map[string]bool{}
	for _, f := range r.Findings {
		if !seen[f.Rule] {
			seen[f.Rule] = true
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{f.Rule})
		}
		s := sarifResult{RuleID: f.Rule, Level: "error", Fingerprints: map[string]string{"ov/v1": f.Fingerprint}}
		if f.Level == "balanced" || f.Level == "strict" {
			s.Level = "warning"
		}
		s.Message.Text = fmt.Sprintf("%s: %s (%d bytes)", f.Rule, f.Preview, f.Length)
		var l sarifLocation
		l.Physical.Artifact.URI = filepath.ToSlash(f.Path)
		l.Physical.Region.Line, l.Physical.Region.Column = f.Line, f.Column
		s.Locations = []sarifLocation{l}
		run.Results = append(run.Results, s)
	}
	inv := sarifInvocation{Successful: true}
	for _, k := range r.Skipped {
		if k.Failed {
			inv.Successful = false
			inv.Notifications = append(inv.Notifications, sarifNotification{"error", sarifMessage{k.Path + ": " + k.Why}})
		}
	}
	run.Invocations = []sarifInvocation{inv}
	return sarifLog{Version: "2.1.0", Schema: "https://json.schemastore.org/sarif-2.1.0.json", Runs: []sarifRun{run}}
}

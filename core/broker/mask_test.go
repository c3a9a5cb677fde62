package broker

import (
	"bytes"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

// What masks nothing by its shape says so to the agent, and what scanners let
// pass is in the completion.
func TestMaskDeclaresAndCounts(t *testing.T) {
	passed := agent.Count{Rule: "passed scanner y failed", N: 3}
	for level, want := range map[scan.Tier]string{scan.Known: "known", scan.Precise: "", scan.Strict: ""} {
		f := &fake{secrets: map[string]string{"TOKEN": token}}
		var out bytes.Buffer
		r := MaskRequest{Space: secret.Ref{App: "a", Env: "e"}, In: strings.NewReader(token), Out: &out,
			Redact: redact.Options{Lanes: redact.All, Level: level}, Passed: func() []agent.Count { return []agent.Count{passed} }}
		if err := Mask(t.Context(), f, r); err != nil {
			t.Fatal(err)
		}
		if f.asked[0].Level != want {
			t.Errorf("level %d declared as %q, want %q", level, f.asked[0].Level, want)
		}
		if got := f.done[0].Masked; len(got) != 2 || got[0] != passed || got[1].Name != "TOKEN" {
			t.Errorf("completed with %+v", got)
		}
	}
}

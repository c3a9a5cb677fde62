package serve

import (
	"errors"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// A flag of the command line must not print a value: the policy alone says
// which lanes may be switched off, and the exact one never may.
func TestLanesAreThePolicys(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	try := func(lanes string, want error) {
		t.Helper()
		for _, kind := range []agent.GrantKind{agent.GrantRun, agent.GrantSession} {
			q := runOf(dev("TOKEN"))
			q.Kind, q.Lanes = kind, lanes
			if _, err := c.Grant(t.Context(), q); want == nil && err != nil || !errors.Is(err, want) {
				t.Errorf("%s with the lanes %q: %v, want %v", kind, lanes, err, want)
			}
		}
	}
	for _, lanes := range []string{"exact", "encoded", "exact,encoded,squeezed", "encoded,squeezed,fragments", ",", "none"} {
		try(lanes, agent.ErrDenied)
	}
	for _, lanes := range []string{"", "exact,encoded,squeezed,fragments"} {
		try(lanes, nil)
	}
	look := agent.GrantRequest{Kind: agent.GrantMask, Refs: []secret.Ref{dev("TOKEN")}, Lanes: "exact"}
	if _, err := c.Grant(t.Context(), look); err != nil {
		t.Errorf("needles for one lane: %v", err)
	}
	r.setPolicy(t, "[loosen]\nlanes = [\"exact\", \"fragments\"]\n[[rule]]\n")
	try("exact,encoded,squeezed", nil)
	for _, lanes := range []string{"encoded,squeezed,fragments", "exact,encoded,fragments"} {
		try(lanes, agent.ErrDenied)
	}
}

// What masks say is a secret's NAME; it counts for what was granted under it.
func TestMaskedByName(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, "[[rule]]\n")
	c := r.client(t, noPassword)
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN"), prod("KEY")))
	if err != nil {
		t.Fatal(err)
	}
	masked := []agent.Count{{Name: "KEY", Lane: "fragments", N: maxHits + 1}, {Name: "OTHER", Lane: "exact", N: 1}, {Name: "EY", N: 1}, {Name: "", Rule: "aws", N: 1}}
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Masked: masked}); err != nil {
		t.Fatal(err)
	}
	r.server.late.Wait()
	var got []string
	for _, m := range r.log.last().Masked {
		got = append(got, m.Name)
	}
	if want := []string{prod("KEY").String(), "", "", ""}; !slices.Equal(got, want) {
		t.Errorf("the record names %q, want %q", got, want)
	}
	if _, err := c.Grant(t.Context(), runOf(prod("KEY"))); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("after many fragments: %v, want ErrApproval", err)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Errorf("a secret without fragments: %v", err)
	}
}

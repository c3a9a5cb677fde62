package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// forgotten locks the agent and unlocks it again, as a kill and a new one would.
func (r *rig) forgotten(t *testing.T) *agent.Client {
	t.Helper()
	if err := r.client(t, noPassword).Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	return r.client(t, noPassword)
}

// Attack: the number of uses of a rule is reset by a lock, or by another name.
func TestAttackLimitsOutliveALock(t *testing.T) {
	r := prodRig(t, realLog)
	r.setPolicy(t, "[[rule]]\nname = \"few\"\nrefs = [\"shop/production/KEY\"]\nmax = 2\nper = \"2h\"\n[[rule]]\nname = \"rest\"\n")
	cli := r.client(t, noPassword)
	r.wants(t, cli, runOf(prod("KEY")), nil)
	cli = r.forgotten(t)
	r.wants(t, cli, runOf(prod("KEY")), nil)
	for range 2 {
		r.wants(t, cli, runOf(prod("KEY")), agent.ErrDenied)
		r.wants(t, r.client(t, noPassword, mcp), runOf(prod("KEY")), agent.ErrDenied)
		r.wants(t, cli, runOf(prod("OTHER")), nil)
		cli = r.forgotten(t)
	}
	// New keys have other HMACs; the old ones are known as well.
	if err := r.client(t).Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	cli = r.forgotten(t)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrDenied)
	r.clock.advance(2*time.Hour + time.Minute)
	cli = r.forgotten(t)
	r.wants(t, cli, runOf(prod("KEY")), nil)
}

// Attack: whoever searches for a value by its fragments locks the agent, so that
// nobody counts.
func TestAttackFragmentsOutliveALock(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN", "OTHER")
	for range 3 {
		g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
		if err != nil {
			t.Fatal(err)
		}
		g.Wipe()
		if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Masked: []agent.Count{{Name: "TOKEN", Lane: "fragments", N: 6}}}); err != nil {
			t.Fatal(err)
		}
		c = r.forgotten(t)
	}
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
	r.wants(t, c, runOf(dev("OTHER")), nil)
	// Deleted while the agent counts anew, and brought back.
	allowed := func(do func() error) {
		t.Helper()
		if err := r.allows(t, agent.PendingID(do())); err != nil {
			t.Fatal(err)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	allowed(func() error { return c.Delete(t.Context(), dev("TOKEN")) })
	c = r.forgotten(t)
	r.wants(t, c, runOf(dev("OTHER")), nil)
	allowed(func() error { _, err := c.Restore(t.Context(), dev("TOKEN")); return err })
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
}

// Attack: whoever searches kills ov before it can say what was masked.
func TestAttackKilledBeforeItCounts(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN", "OTHER")
	for range maxAbandoned {
		killed := r.client(t, noPassword)
		if _, err := killed.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
			t.Fatal(err)
		}
		killed.Close()
		r.settled(t)
	}
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
	r.wants(t, c, runOf(dev("OTHER")), nil)
	c = r.forgotten(t)
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
	r.wants(t, c, runOf(dev("OTHER")), nil)
}

// settled waits until no grant is in use.
func (r *rig) settled(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); r.server.issued.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a grant stays in use")
		}
	}
}

// Attack: the lines that are counted from are edited. Then nothing is decrypted.
func TestAttackEditedCounts(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN")
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
	if err != nil {
		t.Fatal(err)
	}
	g.Wipe()
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Masked: []agent.Count{{Name: "TOKEN", Lane: "fragments", N: 17}}}); err != nil {
		t.Fatal(err)
	}
	c = r.forgotten(t)
	log := filepath.Join(r.home, "audit", "audit-000001.jsonl")
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(string(b), "fragments", "squeezed_", 1)
	if edited == string(b) {
		t.Fatal("nothing to edit")
	}
	write0600(t, log, edited)
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrAudit)
	write0600(t, log, string(b))
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
}

// The log names no secret, also where a use was refused.
func TestAttackNamesInRefusals(t *testing.T) {
	r := prodRig(t, realLog)
	cli := r.client(t, noPassword)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
	r.setPolicy(t, "[[rule]]\nname = \"closed\"\nrefs = [\"*/*/KEY\"]\ndeny = true\n[[rule]]\nname = \"rest\"\n")
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrDenied)
	b, err := os.ReadFile(filepath.Join(r.home, "audit", "audit-000001.jsonl"))
	if err != nil || strings.Count(string(b), "DENIED") != 2 {
		t.Fatalf("%d refusals on record, %v", strings.Count(string(b), "DENIED"), err)
	}
	if strings.Contains(string(b), "KEY") {
		t.Errorf("the log names a secret:\n%s", b)
	}
}

// Attack: a value is searched for by comparing guesses with it, as an import
// does: over and over, and with a lock in between.
func TestAttackGuessesByImport(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN", "OTHER")
	compare := func(name, value string) (bool, error) {
		got, err := c.ImportCompare(t.Context(), []secret.Ref{dev(name)}, []secret.Value{secret.New([]byte(value))})
		return len(got) == 1 && got[0].Same, err
	}
	for range 30 { // who has the value learns nothing
		if same, err := compare("OTHER", "value-of-OTHER"); err != nil || !same {
			t.Fatalf("the same value: %v, %v", same, err)
		}
	}
	for i := range maxHits + 1 {
		if same, err := compare("TOKEN", fmt.Sprintf("a guess, %d", i)); err != nil || same {
			t.Fatalf("guess %d: %v, %v", i, same, err)
		}
		if i == maxHits/2 {
			c = r.forgotten(t)
		}
	}
	if _, err := compare("TOKEN", "value-of-TOKEN"); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("one guess too many: %v", err)
	}
	c = r.forgotten(t)
	if _, err := compare("TOKEN", "value-of-TOKEN"); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("and after a lock: %v", err)
	}
	r.wants(t, c, runOf(dev("OTHER")), nil)
}

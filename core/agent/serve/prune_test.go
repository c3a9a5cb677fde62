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
	"github.com/opaquevault/ov/core/audit"
)

// aged is a real log that has the records of three years behind it when it is
// opened first.
func aged(c *Config) {
	c.Audit = func(dir string, keys [][]byte) (Log, error) {
		_, err := os.Stat(filepath.Join(dir, "mark"))
		l, openErr := audit.Open(dir, keys)
		if openErr != nil || err == nil {
			return l, openErr
		}
		var old []audit.Record
		for day := range 3 * 365 {
			for i := range 8 {
				old = append(old, audit.Record{Time: time.Now().AddDate(0, 0, day-3*365), Op: "vault_run", Space: "shop/development", Event: "ACCESSED",
					Reason: strings.Repeat("x", 60), Run: fmt.Sprint(day, "-", i), Actor: audit.Actor{Client: "cli"}})
			}
		}
		return l, l.Append(old...)
	}
}

// TestAuditPrune: what is old goes, for the password alone; the log says so.
func TestAuditPrune(t *testing.T) {
	r := newRig(t, aged)
	unlocked := r.init(t, "TOKEN")
	ask := agent.PruneRequest{Before: time.Now().AddDate(-1, 0, 0)}
	would, err := unlocked.AuditPrunable(t.Context(), ask)
	if err != nil || would.Removed < 2*365*8-3000 || would.Removed > 2*365*8 {
		t.Fatalf("would remove %+v, %v", would, err)
	}
	if _, err := unlocked.AuditPrune(t.Context(), ask); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without the password: %v", err)
	}
	person := r.client(t)
	if _, err := person.AuditPrune(t.Context(), agent.PruneRequest{}); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("all of it: %v", err)
	}
	if _, err := r.client(t, mcp).AuditPrune(t.Context(), ask); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("by an MCP client with the password: %v", err)
	}
	before, err := unlocked.AuditVerify(t.Context())
	if err != nil || before.Removed != 0 || before.Problem != "" {
		t.Fatalf("before: %+v, %v", before, err)
	}
	did, err := person.AuditPrune(t.Context(), ask)
	if err != nil || did.Removed != would.Removed || did.Last != would.Last || did.Newest.After(ask.Before) {
		t.Fatalf("removed %+v, %v; it was to be %+v", did, err, would)
	}
	after, err := unlocked.AuditVerify(t.Context()) // by the agent that has the log open
	if err != nil || after.Problem != "" || after.Removed != did.Removed || after.Records != did.Left || !after.Newest.Equal(did.Newest) {
		t.Errorf("after: %+v, %v; %+v", after, err, did)
	}
	lines, err := unlocked.AuditShow(t.Context(), agent.AuditQuery{Limit: 1})
	if err != nil || len(lines) != 1 || !strings.Contains(lines[0].Text, "audit_prune") {
		t.Errorf("the last line is %+v, %v", lines, err)
	}
	if got := valueOf(t, unlocked, dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("after all that: %q", got)
	}
	// Attack: somebody goes on with rm.
	files, err := filepath.Glob(filepath.Join(r.home, "audit", "audit-*.jsonl"))
	if err != nil || len(files) < 2 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if r, err := unlocked.AuditVerify(t.Context()); err == nil && r.Problem == "" {
		t.Errorf("a file was removed by hand: %+v", r)
	}
}

package serve

import (
	"errors"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
)

func importRow(name string, version uint64) agent.ImportRow {
	return agent.ImportRow{Ref: secret.Ref{App: "shop", Env: "dev", Name: name}, IfVersion: version, Origin: agent.Origin{Source: "x: me", Ref: name, Plan: "p1"}}
}

// TestImport: one commit, all or none, with where it came from.
func TestImport(t *testing.T) {
	r := newRig(t)
	c := r.init(t)
	value := func(s string) secret.Value { return secret.New([]byte(s)) }
	rows := []agent.ImportRow{importRow("A", 0), importRow("B", 0)}
	if _, err := c.ImportPut(t.Context(), rows, []secret.Value{value("value of a"), value("value of b")}); err != nil {
		t.Fatal(err)
	}
	info, err := c.Info(t.Context(), rows[0].Ref)
	if err != nil || info.Version != 1 || info.Origin == nil || info.Origin.Plan != "p1" {
		t.Errorf("%+v, %v", info, err)
	}
	// B exists: C, which is in the same commit, is not written either.
	_, err = c.ImportPut(t.Context(), []agent.ImportRow{importRow("C", 0), importRow("B", 0)}, []secret.Value{value("value of c"), value("another b")})
	if !errors.Is(err, agent.ErrExists) {
		t.Errorf("%v, want ErrExists", err)
	}
	if _, err := c.Info(t.Context(), importRow("C", 0).Ref); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("half of a commit was written: %v", err)
	}
	got, err := c.ImportCompare(t.Context(), []secret.Ref{rows[0].Ref, importRow("C", 0).Ref}, []secret.Value{value("value of a"), value("value of a")})
	if err != nil || !got[0].Same || got[0].Version != 1 || got[1].Same || got[1].Version != 0 || got[0].Fingerprint != got[1].Fingerprint || len(got[0].Fingerprint) != 16 {
		t.Errorf("%+v, %v", got, err)
	}
	r.log.breakWith(audit.ErrAudit)
	if _, err := c.ImportPut(t.Context(), []agent.ImportRow{importRow("D", 0)}, []secret.Value{value("value of d")}); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("without a record: %v, want ErrAudit", err)
	}
	if _, err := c.ImportCompare(t.Context(), []secret.Ref{rows[0].Ref}, []secret.Value{value("value of a")}); !errors.Is(err, agent.ErrAudit) {
		t.Errorf("compared without a record: %v", err)
	}
	r.log.breakWith(nil)
	if _, err := c.Info(t.Context(), importRow("D", 0).Ref); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("written without a record: %v", err)
	}
}

// TestImportIsForPeople: what compares values answers "was that the value?".
func TestImportIsForPeople(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	c := r.client(t, func(o *agent.Options) { o.Client = "mcp:claude-code" })
	ref, v := secret.Ref{App: "shop", Env: "dev", Name: "TOKEN"}, secret.New([]byte("a guess of it"))
	if _, err := c.ImportCompare(t.Context(), []secret.Ref{ref}, []secret.Value{v}); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("compare: %v", err)
	}
	if _, err := c.ImportPut(t.Context(), []agent.ImportRow{importRow("NEW", 0)}, []secret.Value{v}); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("put: %v", err)
	}
	if _, err := c.ImportSeal(t.Context(), "l", nil); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("seal: %v", err)
	}
	if err := c.SetCatalog(t.Context(), nil); err == nil {
		t.Error("a coding agent changed the catalog")
	}
}

// TestImportNotes: notes open under their own label, unchanged, and not else.
func TestImportNotes(t *testing.T) {
	c := newRig(t).init(t)
	sealed, err := c.ImportSeal(t.Context(), "journal/1/0", []byte("a line"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.ImportOpen(t.Context(), "journal/1/0", sealed); err != nil || string(got) != "a line" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.ImportOpen(t.Context(), "journal/1/1", sealed); !errors.Is(err, agent.ErrTampered) {
		t.Errorf("another label: %v", err)
	}
	for i := range sealed {
		sealed[i] ^= 1
		if _, err := c.ImportOpen(t.Context(), "journal/1/0", sealed); !errors.Is(err, agent.ErrTampered) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		sealed[i] ^= 1
	}
}

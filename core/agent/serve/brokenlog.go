package serve

import (
	"context"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A log that was altered or cut does not open, and without it nothing is
// decrypted. What a person with the password can do then is here.

// withoutLog unlocks the vault for its audit keys alone.
func (s *Server) withoutLog(ctx context.Context, f *wire.Frame, kind agent.PasswordKind, do func(v *vault.Vault, dir string) error) error {
	return s.ask(ctx, f.Files[0], kind, "Master password: ", func(p secret.Value) error {
		s.fresh.Lock()
		defer s.fresh.Unlock()
		defer s.freshMem.Wipe()
		store := s.c.Store(s.storePath())
		defer store.Close()
		remote, err := readRemote(s.c.Home)
		if err != nil {
			return err
		}
		v, err := vault.Unlock(ctx, store, s.c.Home, p, vault.Options{Alloc: s.freshMem.Alloc, Served: remote != nil})
		if err != nil {
			return s.incomplete(err)
		}
		defer v.Close()
		return do(v, filepath.Join(s.c.Home, "audit"))
	})
}

// opAuditInspect says where a log is broken that does not open.
func (s *Server) opAuditInspect(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	kind, err := passwordArgs(f, nil)
	if err != nil {
		return answer{}, err
	}
	var r audit.Report
	err = s.withoutLog(ctx, f, kind, func(v *vault.Vault, dir string) (err error) {
		r, err = audit.Verify(dir, v.AuditKeys())
		return err
	})
	return answer{args: publicAudit(r), after: giveBack}, err
}

// opAuditRestart sets a broken log aside and begins a new one, whose first line
// says why. A sound one stays: nobody is to get rid of it this way.
func (s *Server) opAuditRestart(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var q struct {
		Reason string `json:"reason"`
	}
	kind, err := passwordArgs(f, &q)
	if err != nil {
		return answer{}, err
	}
	err = s.withoutLog(ctx, f, kind, func(v *vault.Vault, dir string) error {
		keys := v.AuditKeys()
		if r, err := audit.Verify(dir, keys); err == nil && r.Problem == "" {
			return &agent.Error{Err: agent.ErrUsage, Message: "restart audit log: it is whole"}
		}
		log, err := audit.Restart(dir, keys, oneLine(q.Reason))
		if err != nil {
			return err
		}
		defer log.Close()
		return write(log, v.Device(), []audit.Record{c.record("audit_restart", "", "RESTARTED", q.Reason)})
	})
	if err != nil {
		return answer{}, err
	}
	return s.shutting(), nil // an open vault would go on with the old log
}

func publicAudit(r audit.Report) agent.AuditReport {
	return agent.AuditReport{Records: r.Records, Epochs: r.Epochs, FirstBad: r.Bad, Problem: r.Problem, Removed: r.Removed, Newest: r.Newest, Pruned: r.Pruned}
}

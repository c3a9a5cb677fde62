package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// recorded is the hook of a change that is on record already.
func recorded([]vault.Head) error { return nil }

func (s *Server) opHistory(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var ref secret.Ref
	if err := args(f, &ref); err != nil {
		return answer{}, err
	}
	if err := ref.Check(); err != nil {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	infos, err := o.vault.History(ctx, ref, func([]vault.Head) error {
		return o.note(c.record("secret_history", ref.Space(), "LISTED", "", ref))
	})
	out := make([]agent.Info, len(infos))
	for i, info := range infos {
		out[i] = public(info)
	}
	return answer{args: out}, s.similar(ctx, o, ref, err)
}

// changeArgs are those of the verbs that make a new version of what is there.
type changeArgs struct {
	Ref  secret.Ref `json:"ref"`
	To   uint64     `json:"to"`
	Name secret.Ref `json:"name"`
	Tags []string   `json:"tags"`
}

// opChange returns the handler of such a verb.
func (s *Server) opChange(op string, do func(context.Context, *opened, changeArgs) (vault.Info, error)) handler {
	return func(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
		var r changeArgs
		if err := args(f, &r); err != nil {
			return answer{}, err
		}
		refs := []secret.Ref{r.Ref}
		if r.Name != (secret.Ref{}) {
			refs = append(refs, r.Name)
		}
		for _, ref := range refs {
			if err := ref.Check(); err != nil {
				return answer{}, err
			}
		}
		var info vault.Info
		note := c.record("secret_"+op, r.Ref.Space(), "WRITING", "", refs...)
		if r.Name != (secret.Ref{}) {
			if err := s.mayMove(ctx, c, f, r, note); err != nil {
				return answer{}, err
			}
		}
		err := s.gated(ctx, c, f, Request{Verb: VerbUpdate, Refs: refs}, note, func(o *opened) (err error) {
			info, err = do(ctx, o, r)
			return s.similar(ctx, o, r.Ref, err)
		})
		return answer{args: public(info)}, err
	}
}

// mayMove asks the policy for what a move gives away: under its new name a
// secret is used under other rules, so it takes what a use under the old one
// does.
func (s *Server) mayMove(ctx context.Context, c *client, f *wire.Frame, r changeArgs, note audit.Record) error {
	use := Request{Verb: VerbRun, Refs: []secret.Ref{r.Ref}, What: fmt.Sprintf("use %s under the rules for %s", r.Ref, r.Name)}
	d, err := s.decide(ctx, c, f, &use)
	if err != nil || d.Allow {
		return err
	}
	o, done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	return s.refused(o, d, note)
}

func rollback(ctx context.Context, o *opened, r changeArgs) (vault.Info, error) {
	return o.vault.Rollback(ctx, r.Ref, r.To, recorded)
}

func restore(ctx context.Context, o *opened, r changeArgs) (vault.Info, error) {
	return o.vault.Restore(ctx, r.Ref, recorded)
}

func tag(ctx context.Context, o *opened, r changeArgs) (vault.Info, error) {
	return o.vault.Tag(ctx, r.Ref, r.Tags, recorded)
}

func rename(ctx context.Context, o *opened, r changeArgs) (vault.Info, error) {
	if r.Name == (secret.Ref{}) {
		return vault.Info{}, fmt.Errorf("rename: %w: no new name", agent.ErrUsage)
	}
	return o.vault.Rename(ctx, r.Ref, r.Name, recorded)
}

// opAuditExposed lists what was released, under the names that it has today.
func (s *Server) opAuditExposed(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var q struct {
		Since  time.Time `json:"since"`
		Client string    `json:"client"`
	}
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	s.late.Wait()
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	exposed, err := o.log.Exposed(q.Since, q.Client)
	if err != nil {
		return answer{}, err
	}
	names, err := o.names(ctx)
	if err != nil {
		return answer{}, err
	}
	out := make([]agent.Exposure, len(exposed))
	for i, e := range exposed {
		name := names[e.Name]
		if name == "" {
			name = e.Space + "/[hmac:" + e.Name + "]"
		}
		out[i] = agent.Exposure{Name: name, First: e.First, Last: e.Last, Times: e.Times, Clients: e.Clients}
	}
	return answer{args: out}, nil
}

// names maps the HMACs of the audit log back to the vault's references.
func (o *opened) names(ctx context.Context) (map[string]string, error) {
	spaces, err := o.vault.Spaces(ctx)
	if err != nil {
		return nil, err
	}
	var refs []string
	for _, sp := range spaces {
		heads, err := o.vault.Names(ctx, sp.App, sp.Env)
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			refs = append(refs, h.Ref.String())
		}
	}
	return o.log.Names(refs), nil
}

// opInspect says what can be read of a vault that cannot be unlocked. No value
// leaves it, and nothing can be put on record: the log's keys are behind the
// damage.
func (s *Server) opInspect(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	kind, err := passwordArgs(f, nil)
	if err != nil {
		return answer{}, err
	}
	var r vault.Report
	err = s.ask(ctx, f.Files[0], kind, "Master password: ", func(p secret.Value) (err error) {
		store := s.c.Salvage(s.storePath())
		defer store.Close()
		r, err = vault.Inspect(ctx, store, s.c.Home, p, recorded)
		return err
	})
	if errors.Is(err, vault.ErrCorrupt) || errors.Is(err, vault.ErrTampered) {
		// Too little is left to begin with: that is the report.
		r.Problems, err = append(r.Problems, err.Error()), nil
	}
	return answer{args: publicReport(r), after: giveBack}, err
}

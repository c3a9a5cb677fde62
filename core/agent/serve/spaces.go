package serve

import (
	"context"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// opSpaceCreate makes an environment, which a first secret in it would do as well.
func (s *Server) opSpaceCreate(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var at agent.Space
	if err := args(f, &at); err != nil {
		return answer{}, err
	}
	if err := anyOf(at).Check(); err != nil {
		return answer{}, err
	}
	note := c.record("environment_create", at.App+"/"+at.Env, "CREATING", "")
	return answer{}, s.gated(ctx, c, f, Request{Verb: VerbCreate, Refs: []secret.Ref{anyOf(at)}, What: "an environment without secrets"}, note, func(o *opened) error {
		return o.vault.CreateSpace(ctx, at.App, at.Env)
	})
}

// opSpaceDelete destroys what cannot be restored: it takes the password.
func (s *Server) opSpaceDelete(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var at agent.Space
	return s.freshOp(ctx, c, f, "environment_delete", &at, func(o *opened, _ secret.Value) error {
		holds, err := o.vault.Names(ctx, at.App, at.Env)
		if err != nil {
			return err
		}
		if len(holds) != at.Secrets {
			return &agent.Error{Err: agent.ErrConflict, Message: fmt.Sprintf("environment %s/%s holds %d secrets now, not %d", at.App, at.Env, len(holds), at.Secrets)}
		}
		refs := make([]secret.Ref, len(holds))
		for i, h := range holds {
			refs[i] = h.Ref
		}
		if err := o.note(c.record("environment_delete", at.App+"/"+at.Env, "DELETING", "", refs...)); err != nil {
			return err
		}
		return o.vault.DeleteSpace(ctx, at.App, at.Env, holds)
	})
}

// anyOf stands, to the policy, for what an environment may come to hold.
func anyOf(at agent.Space) secret.Ref { return secret.Ref{App: at.App, Env: at.Env, Name: "_"} }

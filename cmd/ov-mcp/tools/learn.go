package tools

import (
	"context"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
)

// grantsAtOnce keeps a crowd of runs from filling ov-agent's limit, so that
// vault_status is answered in between.
const grantsAtOnce = 16

// learning is the call's vault, whose grants the guard gets to know.
func (t *Tools) learning(c *call) broker.Agent { return learner{c.vault, t, c.masks.Locks} }

type learner struct {
	broker.Agent
	t     *Tools
	locks agent.Locks // of what the run masks with
}

func (l learner) Grant(ctx context.Context, r agent.GrantRequest) (*agent.Grant, error) {
	select {
	case l.t.turns <- struct{}{}:
		defer func() { <-l.t.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	r.Locks = l.locks
	g, err := l.Agent.Grant(ctx, r)
	if err == nil {
		l.t.guard.learn(g.Secrets)
	}
	return g, err
}

func (l learner) Complete(ctx context.Context, c agent.Completion) error {
	l.t.turns <- struct{}{}
	defer func() { <-l.t.turns }()
	return l.Agent.Complete(ctx, c)
}

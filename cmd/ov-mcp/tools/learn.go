package tools

import (
	"context"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
)

// learning is the call's vault, whose grants the guard gets to know.
func (t *Tools) learning(c *call) broker.Agent { return learner{c.vault, t.guard} }

type learner struct {
	broker.Agent
	guard *guard
}

func (l learner) Grant(ctx context.Context, r agent.GrantRequest) (*agent.Grant, error) {
	g, err := l.Agent.Grant(ctx, r)
	if err == nil {
		l.guard.learn(g.Secrets)
	}
	return g, err
}

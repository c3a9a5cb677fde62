package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/scanners/walk"
)

// A vaultLook is a search for values of the vault: a mask grant that stays open
// while it lasts, so that the audit log says what it found.
type vaultLook struct {
	client *agent.Client
	grant  *agent.Grant
}

// lookForVault asks for a mask grant and makes its values what to look for.
func (c *cli) lookForVault(ctx context.Context, o *walk.Options) (*vaultLook, error) {
	cfg, err := c.context(false)
	if err != nil {
		return nil, err
	}
	client, err := c.connect(ctx, cfg.Home)
	if err != nil {
		return nil, err
	}
	l := &vaultLook{client: client}
	lanes := redact.Exact | redact.Encoded | redact.Squeezed
	space := cfg.Context()
	l.grant, err = client.Grant(ctx, agent.GrantRequest{Kind: agent.GrantMask, App: space.App, Env: space.Env, Lanes: lanes.String(), Level: "known", Reason: "ov scan --vault"})
	if err != nil {
		client.Close()
		return nil, err
	}
	var needles []redact.Needle
	for _, s := range l.grant.Secrets {
		if !s.Plain && s.Value.Len() >= secret.MinMaskable {
			needles = append(needles, redact.Needle{Name: s.Ref.Name, Value: s.Value})
		}
	}
	if o.Vault, err = redact.Compile(needles, redact.Options{Lanes: lanes}); err != nil {
		l.done(ctx, nil, err)
		return nil, err
	}
	return l, nil
}

// done wipes the values and tells the audit log which of them lay where: counts
// by name, no more.
func (l *vaultLook) done(ctx context.Context, r *walk.Result, failed error) error {
	if l == nil {
		return nil
	}
	defer l.client.Close()
	l.grant.Wipe()
	c := agent.Completion{GrantID: l.grant.ID, Masked: vaultCounts(r)}
	if failed != nil {
		c.Failure = "scan"
	}
	return l.client.Complete(context.WithoutCancel(ctx), c)
}

// vaultCounts counts the findings of each value, in the order of their names.
func vaultCounts(r *walk.Result) []agent.Count {
	if r == nil {
		return nil
	}
	n := map[agent.Count]int64{}
	for _, f := range r.Findings {
		if f.Name != "" {
			n[agent.Count{Name: f.Name, Lane: f.Lane}]++
		}
	}
	var all []agent.Count
	for k, v := range n {
		k.N = v
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b agent.Count) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Lane, b.Lane)) })
	return all
}

package broker

import (
	"context"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// Mask copies in to out with the secrets of space masked, for `ov redact`. The
// values are granted as needles only: nothing is injected anywhere.
func Mask(ctx context.Context, a Agent, space secret.Ref, o redact.Options, in io.Reader, out io.Writer) (err error) {
	grant, err := a.Grant(ctx, agent.GrantRequest{Kind: agent.GrantMask, App: space.App, Env: space.Env, Lanes: o.Lanes.String()})
	if err != nil {
		return err
	}
	var building *redact.Build
	defer func() { (&Request{}).wipe(grant, building) }()
	proc.Harden()
	var needles []redact.Needle
	for _, s := range grant.Secrets {
		if !s.Plain && s.Value.Len() >= secret.MinMaskable {
			needles = append(needles, redact.Needle{Name: s.Ref.Name, Value: s.Value})
		}
	}
	if building, err = redact.Begin(needles, o); err != nil {
		return err
	}
	s := &stream{pipe: in, sink: &sink{dst: out}, set: building.Set}
	done := agent.Completion{GrantID: grant.ID}
	if err = s.pass(); err != nil {
		done.Failure = failure(err)
	}
	done.Masked = counts([]*stream{s})
	if cerr := a.Complete(context.WithoutCancel(ctx), done); cerr != nil && err == nil {
		return fmt.Errorf("complete audit record: %w", cerr)
	}
	return err
}

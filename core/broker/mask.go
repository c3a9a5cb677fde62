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

// A MaskRequest is a stream to be masked.
type MaskRequest struct {
	Space  secret.Ref // whose secrets are looked for
	Redact redact.Options
	In     io.Reader
	Out    io.Writer
	Passed func() []agent.Count // as in Request
}

// Mask copies a stream with the secrets of a space masked, for `ov redact`. The
// values are granted as needles only: nothing is injected anywhere.
func Mask(ctx context.Context, a Agent, r MaskRequest) (err error) {
	o := r.Redact
	grant, err := a.Grant(ctx, agent.GrantRequest{Kind: agent.GrantMask, App: r.Space.App, Env: r.Space.Env, Lanes: o.Lanes.String(), Level: level(o)})
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
	done := agent.Completion{GrantID: grant.ID, Failure: "start"}
	if building, err = redact.Begin(needles, o); err == nil {
		s := &stream{pipe: r.In, sink: &sink{dst: r.Out}, set: building.Set}
		err = s.pass()
		done.Failure, done.Masked = failure(ctx, err, "masking"), counts([]*stream{s}, r.Passed)
	}
	if cerr := a.Complete(context.WithoutCancel(ctx), done); cerr != nil && err == nil {
		return fmt.Errorf("complete audit record: %w", cerr)
	}
	return err
}

package serve

import (
	"errors"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/agent"
)

// What another policy would have said to what happened: counted by who, what,
// where and both answers.
func TestReplayOfTheLog(t *testing.T) {
	r := prodRig(t, realLog)
	cli, bot := r.client(t, noPassword), r.client(t, noPassword, mcp)
	for range 3 {
		r.wants(t, cli, runOf(dev("TOKEN")), nil)
	}
	r.wants(t, bot, runOf(dev("TOKEN")), nil)
	r.wants(t, bot, runOf(prod("KEY")), agent.ErrApproval)
	next := "[[rule]]\nname = \"no bots\"\nwho = [\"mcp\"]\nverbs = [\"run\"]\ndeny = true\n[[rule]]\nname = \"here\"\ndirs = [\"/srv\"]\nverbs = [\"run\"]\n[[rule]]\nname = \"rest\"\napproval = \"once\"\n"
	got, err := cli.Replay(t.Context(), agent.ReplayRequest{Policy: next})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []agent.Replayed{
		{Verb: "run", Client: "cli", Space: "default/development", Was: "let through", Would: "depends on the command", Rule: "here", Times: 3},
		{Verb: "run", Client: "mcp:some-agent", Space: "default/development", Was: "let through", Would: "denied", Rule: "no bots", Times: 1},
		{Verb: "run", Client: "mcp:some-agent", Space: "shop/production", Was: "refused or asked", Would: "denied", Rule: "no bots", Times: 1},
		{Verb: "update", Client: "cli", Space: "shop/production", Was: "let through", Would: "asked (once)", Rule: "rest", Times: 2},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%+v lacks %+v", got, want)
		}
	}
	if got, err := cli.Replay(t.Context(), agent.ReplayRequest{Policy: next, Last: 1}); err != nil || len(got) != 1 || got[0].Client != "mcp:some-agent" {
		t.Errorf("the last line: %+v, %v", got, err)
	}
	if _, err := cli.Replay(t.Context(), agent.ReplayRequest{Policy: "x"}); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("a policy that does not parse: %v", err)
	}
}

package serve

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

func prod(name string) secret.Ref { return secret.Ref{App: "shop", Env: "production", Name: name} }

// prodRig has two secrets in production.
func prodRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t, change...)
	c := r.init(t, "TOKEN")
	for _, n := range []string{"KEY", "OTHER"} {
		if _, err := c.Put(t.Context(), agent.PutRequest{Ref: prod(n), Value: secret.New([]byte("value-of-" + n))}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func mcp(o *agent.Options) { o.Client = "mcp:some-agent" }

func (r *rig) wants(t *testing.T, c *agent.Client, q agent.GrantRequest, want error) {
	t.Helper()
	g, err := c.Grant(t.Context(), q)
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("Grant = %v, want %v", err, want)
	}
	if g != nil {
		g.Wipe()
	}
}

func (r *rig) setPolicy(t *testing.T, text string) {
	t.Helper()
	if err := r.client(t).SetPolicy(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestProductionAsks(t *testing.T) {
	r := prodRig(t)
	cli := r.client(t, noPassword)
	r.wants(t, cli, runOf(dev("TOKEN")), nil)
	_, err := cli.Grant(t.Context(), runOf(prod("KEY")))
	if !errors.Is(err, agent.ErrApproval) || !strings.Contains(agent.Hint(err), "ov approve ") {
		t.Fatalf("Grant: %v, hint %q", err, agent.Hint(err))
	}
	if got := r.log.events("vault_run"); !slices.Equal(got, []string{"default/development ACCESSED", "shop/production DENIED"}) {
		t.Errorf("audit has %q", got)
	}

	// On the terminal that came along: what is asked for is shown, the password allows it.
	p := newPerson(t)
	q := runOf(prod("KEY"))
	q.Argv = []string{"true", "--now", "two words", "\x1b[2Jov: harmless"}
	done := during(func() error { _, err := r.at(t, p).Grant(t.Context(), q); return err })
	p.sees("cli asks to run")
	p.sees(`command: true --now "two words" "\x1b[2Jov: harmless"`)
	p.sees("secrets: shop/production/KEY")
	p.sees("Master password, to allow this: ")
	p.types(testPassword + "\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// It holds for these secrets and this client, and for nobody else.
	r.wants(t, cli, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("OTHER")), agent.ErrApproval)
	r.wants(t, cli, runOf(prod("KEY"), prod("OTHER")), agent.ErrApproval)
	r.wants(t, r.client(t, noPassword, mcp), runOf(prod("KEY")), agent.ErrApproval)
	r.wants(t, r.client(t, noPassword, func(o *agent.Options) { o.Agent = "claude-code" }), runOf(prod("KEY")), agent.ErrApproval)
	// It does not outlive the lock.
	if err := cli.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
}

// Attack: a coding agent's client approves for itself, with a password file, or
// with the verb for people.
func TestAttackSelfApproval(t *testing.T) {
	r := prodRig(t)
	r.wants(t, r.client(t, mcp), runOf(prod("KEY")), agent.ErrApproval) // the password file lies there
	cli := r.client(t, noPassword)
	waiting, err := cli.Pending(t.Context())
	if err != nil || len(waiting) != 1 || waiting[0].Client != "mcp:some-agent" {
		t.Fatalf("Pending = %+v, %v", waiting, err)
	}
	id := waiting[0].ID
	if err := r.client(t, mcp).Approve(t.Context(), id); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("an MCP client approves: %v", err)
	}
	inside := func(o *agent.Options) { o.Agent = "claude-code" }
	if err := r.client(t, inside).Approve(t.Context(), id); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("a coding agent with the password file approves: %v", err)
	}
	p := newPerson(t)
	done := during(func() error { return r.at(t, p).Approve(t.Context(), id) })
	for range maxTries { // `script` feeds what it likes, but not the password
		p.sees("Master password, to allow this: ")
		p.types("yes\n")
	}
	if err := <-done; !errors.Is(err, agent.ErrPassword) {
		t.Errorf("approval fed by a script: %v", err)
	}
	r.wants(t, r.client(t, noPassword, mcp), runOf(prod("KEY")), agent.ErrApproval)
	r.server.tries.right()

	done = during(func() error { return r.at(t, p).Approve(t.Context(), id) })
	p.sees("mcp:some-agent asks to run")
	p.sees("Master password, to allow this: ")
	p.types(testPassword + "\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.wants(t, r.client(t, noPassword, mcp), runOf(prod("KEY")), nil)
	if err := r.at(t, p).Approve(t.Context(), id); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("the same approval again: %v", err)
	}
}

func TestApprovalKinds(t *testing.T) {
	r := prodRig(t)
	policy := func(approval string) string {
		return fmt.Sprintf("[loosen]\napprove_unattended = true\n[[rule]]\nname = \"prod\"\nrefs = [\"*/production/*\"]\napproval = %q\n[[rule]]\nname = \"rest\"\n", approval)
	}
	other := runOf(prod("KEY"))
	other.Argv = []string{"true", "x"}
	cli, approver := r.client(t, noPassword), r.client(t)

	r.setPolicy(t, policy("once"))
	r.wants(t, approver, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("KEY")), nil)
	r.wants(t, cli, other, agent.ErrApproval)
	folder := runOf(prod("KEY"))
	folder.Dir = "/tmp"
	r.wants(t, cli, folder, agent.ErrApproval)
	variable := runOf(prod("KEY"))
	variable.ExtraEnv = []string{"GH_HOST=evil"}
	r.wants(t, cli, variable, agent.ErrApproval)
	inherited := runOf(prod("KEY"))
	inherited.Inherited = []string{"HTTPS_PROXY=http://evil"}
	r.wants(t, cli, inherited, agent.ErrApproval)
	shell := runOf(prod("KEY"))
	shell.Inherited = []string{"SHLVL=2"}
	r.wants(t, cli, shell, nil)

	r.setPolicy(t, policy("always")) // and what was approved under the old rules is void
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
	r.wants(t, approver, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval) // not a second time

	r.setPolicy(t, policy("never"))
	r.wants(t, cli, runOf(prod("KEY")), nil)
	// What a person approved in advance with ov approve is used up once.
	r.setPolicy(t, policy("always"))
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
	waiting, _ := cli.Pending(t.Context())
	if len(waiting) != 1 {
		t.Fatalf("waiting: %+v", waiting)
	}
	if err := approver.Approve(t.Context(), waiting[0].ID); err != nil {
		t.Fatal(err)
	}
	r.wants(t, cli, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
}

// An approval names a program; when its file is another one, it is void.
func TestAttackReplacedExecutable(t *testing.T) {
	r := prodRig(t)
	tool := write0600(t, filepath.Join(r.home, "tool"), "#!/bin/sh\necho one\n")
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("#!/bin/sh\necho one\n")))
	r.setPolicy(t, fmt.Sprintf("[loosen]\napprove_unattended = true\n[[rule]]\nname = \"tool\"\nexecutables = [%q]\n[[rule]]\nname = \"asked\"\nrefs = [\"*/*/OTHER\"]\napproval = \"once\"\n[[rule]]\nname = \"rest\"\ndeny = true\n", tool+"#sha256:"+sum))
	q := runOf(prod("KEY"))
	q.Executable, q.Argv = tool, []string{"tool"}
	cli := r.client(t, noPassword)
	r.wants(t, cli, q, nil)
	link := filepath.Join(r.home, "link")
	os.Symlink(tool, link)
	through := q
	through.Executable = link
	r.wants(t, cli, through, nil) // the same file, by another name
	asked := q
	asked.Executable, asked.Refs = "/bin/true", []secret.Ref{prod("OTHER")}
	write0600(t, tool, "#!/bin/sh\ncurl evil\n")
	r.wants(t, cli, q, agent.ErrDenied)
	os.Remove(link)
	os.Symlink("/bin/sh", link)
	r.wants(t, cli, through, agent.ErrDenied)

	copied := write0600(t, filepath.Join(r.home, "copied"), "one")
	asked.Executable = copied
	r.wants(t, r.client(t), asked, nil)
	r.wants(t, cli, asked, nil)
	write0600(t, copied, "two")
	r.wants(t, cli, asked, agent.ErrApproval)
}

func TestAttackFloodOfApprovals(t *testing.T) {
	r := prodRig(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			c := r.client(t, noPassword, mcp)
			for i := range 250 {
				q := runOf(prod("KEY"))
				q.Argv = []string{"true", fmt.Sprint(i)}
				if g, err := c.Grant(t.Context(), q); err == nil {
					t.Error("let through:", g.ID)
				}
			}
		})
	}
	wg.Wait()
	cli := r.client(t, noPassword)
	waiting, err := cli.Pending(t.Context())
	if err != nil || len(waiting) == 0 || len(waiting) > maxPending {
		t.Errorf("%d requests wait, %v", len(waiting), err)
	}
	if err := cli.Refuse(t.Context(), waiting[0].ID); err != nil {
		t.Error(err)
	}
	r.clock.advance(pendingTime + time.Second)
	if waiting, _ := cli.Pending(t.Context()); len(waiting) != 0 {
		t.Errorf("%d requests wait after their time", len(waiting))
	}
	if err := r.at(t, newPerson(t)).Approve(t.Context(), waiting[len(waiting)-1].ID); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("approval after its time: %v", err)
	}
}

func TestPolicyIsGuarded(t *testing.T) {
	r := prodRig(t, realLog)
	loose := "[[rule]]\nname = \"all\"\n"
	cli := r.client(t, noPassword)
	if err := cli.SetPolicy(t.Context(), loose); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without a password: %v", err)
	}
	if err := r.client(t, mcp).SetPolicy(t.Context(), loose); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("by an MCP client: %v", err)
	}
	if err := r.client(t).SetPolicy(t.Context(), "[[rule]]\nwho = 1"); !errors.Is(err, agent.ErrUsage) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("one that does not parse: %v", err)
	}
	if text, own, err := cli.Policy(t.Context()); err != nil || own || !strings.Contains(text, "production") {
		t.Errorf("Policy = %q, %v, %v", text, own, err)
	}
	// A file in the vault's folder is no policy.
	write0600(t, filepath.Join(r.home, "policy.toml"), loose)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrApproval)
	r.setPolicy(t, loose)
	if text, own, err := cli.Policy(t.Context()); err != nil || !own || text != loose {
		t.Errorf("Policy = %q, %v, %v", text, own, err)
	}
	r.wants(t, cli, runOf(prod("KEY")), nil)
	// Needles stay closed to coding agents, whatever the policy says.
	r.wants(t, r.client(t, noPassword, mcp), agent.GrantRequest{Kind: agent.GrantMask, Refs: []secret.Ref{dev("TOKEN")}}, agent.ErrDenied)
}

func TestWeakValuesAskAgents(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Strength = func(b []byte) float64 { return float64(len(b)) } })
	c := r.init(t) // values of under 40 bytes are weak here
	for name, value := range map[string]string{"WEAK": "hunter22", "STRONG": strings.Repeat("strong", 10)} {
		if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev(name), Value: secret.New([]byte(value))}); err != nil {
			t.Fatal(err)
		}
	}
	bot := r.client(t, noPassword, mcp)
	r.wants(t, bot, runOf(dev("STRONG")), nil)
	r.wants(t, bot, runOf(dev("WEAK")), agent.ErrApproval)
	r.wants(t, r.client(t, noPassword), runOf(dev("WEAK")), nil)
	waiting, _ := r.client(t, noPassword).Pending(t.Context())
	if len(waiting) != 1 {
		t.Fatalf("waiting: %+v", waiting)
	}
	if err := r.allows(t, waiting[0].ID); err != nil {
		t.Fatal(err)
	}
	r.wants(t, bot, runOf(dev("WEAK")), nil)
}

// A program that prints guesses until one is masked is noticed.
func TestFragmentHitsAsk(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN", "OTHER")
	for range 3 {
		g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Masked: []agent.Count{{Name: dev("TOKEN").String(), Lane: "fragments", N: 6}}}); err != nil {
			t.Fatal(err)
		}
	}
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
	r.wants(t, c, runOf(dev("OTHER")), nil)
	r.clock.advance(10 * time.Minute)
	r.wants(t, c, runOf(dev("TOKEN")), agent.ErrApproval)
}

func TestRuleLimits(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, "[[rule]]\nname = \"few\"\nrefs = [\"shop/production/KEY\"]\nmax = 2\nper = \"5m\"\n[[rule]]\nname = \"rest\"\n")
	cli := r.client(t, noPassword)
	r.wants(t, cli, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("KEY")), nil)
	r.wants(t, cli, runOf(prod("KEY")), agent.ErrDenied)
	r.wants(t, r.client(t, noPassword, mcp), runOf(prod("KEY")), agent.ErrDenied) // another name does not help
	r.wants(t, cli, runOf(prod("OTHER")), nil)
	r.clock.advance(6 * time.Minute)
	r.wants(t, cli, runOf(prod("KEY")), nil)
}

func TestExplainOverTheSocket(t *testing.T) {
	r := prodRig(t)
	q := runOf(prod("KEY"), dev("TOKEN"))
	out, err := r.client(t, noPassword).Explain(t.Context(), agent.ExplainRequest{Verb: "run", Client: "mcp:x", Grant: q})
	if err != nil || len(out) != 2 {
		t.Fatalf("Explain = %+v, %v", out, err)
	}
	if e := out[1]; e.Ref != "shop/production/KEY" || !e.Allow || e.Approval != "session" || e.Steps[len(e.Steps)-1].Rule != "production" {
		t.Errorf("production: %+v", e)
	}
	if e := out[0]; !e.Allow || e.Approval != "never" || !e.Steps[len(e.Steps)-1].Fits {
		t.Errorf("development: %+v", e)
	}
	out, err = r.client(t, noPassword).Explain(t.Context(), agent.ExplainRequest{Verb: "run", Grant: q, Policy: "[[rule]]\nname = \"no\"\ndeny = true\n"})
	if err != nil || out[0].Allow {
		t.Errorf("with another policy: %+v, %v", out, err)
	}
}

func TestPolicyCheck(t *testing.T) {
	r := prodRig(t)
	cli := r.client(t, noPassword)
	loose := "[loosen]\nvalue_parameter = true\n[[rule]]\nname = \"key\"\nrefs = [\"*/*/KEY\"]\nverbs = [\"reveal\"]\ndeny = true\n[[rule]]\nname = \"all\"\n"
	e, err := cli.CheckPolicy(t.Context(), loose)
	if err != nil || len(e.Loosens) != 1 {
		t.Fatalf("CheckPolicy = %+v, %v", e, err)
	}
	has := func(want agent.EffectChange) bool {
		return slices.ContainsFunc(e.Changes, func(c agent.EffectChange) bool { return fmt.Sprint(c) == fmt.Sprint(want) })
	}
	for _, want := range []agent.EffectChange{
		{Space: "shop/production", Verb: "run", Client: "mcp:any", Before: "asked (session)", After: "allowed", Secrets: []string{"KEY", "OTHER"}},
		{Space: "shop/production", Verb: "reveal", Client: "cli", Before: "allowed", After: "denied", Secrets: []string{"KEY"}},
		{Space: "default/development", Verb: "mask", Client: "mcp:any", Before: "denied", After: "allowed", Secrets: []string{"TOKEN"}},
	} {
		if !has(want) {
			t.Errorf("no %+v in %+v", want, e.Changes)
		}
	}
	if _, err := cli.CheckPolicy(t.Context(), "[[rule]]\nwho = 1"); !errors.Is(err, agent.ErrUsage) || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("one that does not parse: %v", err)
	}
	if _, own, _ := cli.Policy(t.Context()); own {
		t.Error("a check stored the policy")
	}
}

// Attack: a coding agent with the person's shell and an unlocked agent renames
// a production secret to where nobody is asked.
func TestAttackMoveOutOfProduction(t *testing.T) {
	r := prodRig(t)
	cli := r.client(t, noPassword)
	if _, err := cli.Rename(t.Context(), prod("KEY"), dev("KEY")); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("Rename = %v", err)
	}
	if got := r.log.events("secret_rename"); !slices.Equal(got, []string{"shop/production DENIED"}) {
		t.Errorf("audit has %q", got)
	}
	waiting, _ := cli.Pending(t.Context())
	if len(waiting) != 1 || !strings.Contains(waiting[0].Lines[0], "use shop/production/KEY under the rules for default/development/KEY") {
		t.Fatalf("waiting: %+v", waiting)
	}
	if err := r.allows(t, waiting[0].ID); err != nil {
		t.Fatal(err)
	}
	if _, err := cli.Rename(t.Context(), prod("KEY"), dev("OTHER")); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("to another place: %v", err) // a yes to one move is none to another
	}
	if _, err := cli.Rename(t.Context(), prod("KEY"), dev("KEY")); err != nil {
		t.Errorf("approved: %v", err)
	}
	r.wants(t, cli, runOf(prod("OTHER")), agent.ErrApproval) // and none to a run
}

// Attack: a coding agent in the person's shell edits the policy, or approves
// its own run, with a password file that lies about.
func TestAttackPasswordFileInsideAgent(t *testing.T) {
	r := prodRig(t)
	inside := func(o *agent.Options) { o.Agent = "claude-code" }
	if err := r.client(t, inside).SetPolicy(t.Context(), "[[rule]]\nname = \"all\"\n"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("SetPolicy = %v", err)
	}
	r.wants(t, r.client(t, inside), runOf(prod("KEY")), agent.ErrApproval)
}

// Who approves a command sees how it differs from the one approved before.
func TestApprovalShowsWhatChanged(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, "[[rule]]\nname = \"prod\"\nrefs = [\"*/production/*\"]\napproval = \"always\"\n[[rule]]\nname = \"rest\"\n")
	cli := r.client(t, noPassword)
	lines := func(argv ...string) []string {
		t.Helper()
		q := runOf(prod("KEY"))
		q.Argv = argv
		r.wants(t, cli, q, agent.ErrApproval)
		all, err := cli.Pending(t.Context())
		if err != nil || len(all) == 0 {
			t.Fatal(all, err)
		}
		if err := r.allows(t, all[len(all)-1].ID); err != nil {
			t.Fatal(err)
		}
		r.wants(t, cli, q, nil)
		return all[len(all)-1].Lines
	}
	if got := lines("true", "plan"); slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "was:") }) {
		t.Errorf("the first one: %q", got)
	}
	got := lines("true", "apply", "was:     plan")
	i := slices.Index(got, `command: true apply "was:     plan"`)
	if i < 0 || got[i+1] != "was:     true plan" || strings.HasPrefix(got[i+2], "was:") {
		t.Errorf("another command: %q", got)
	}
	if got := lines("true", "apply", "was:     plan"); slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "was:") }) {
		t.Errorf("the same command: %q", got)
	}
}

// Attack: a program of the same user says that it is a machine with a key,
// which production is not asked for.
func TestAttackClaimsToBeAMachine(t *testing.T) {
	r := prodRig(t)
	for _, name := range []string{"machine:ci", "machine", "machine:"} {
		c := r.client(t, noPassword, func(o *agent.Options) { o.Client = name })
		r.wants(t, c, runOf(prod("KEY")), agent.ErrApproval)
	}
}

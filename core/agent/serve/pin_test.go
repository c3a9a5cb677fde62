package serve

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// allows has a person approve a request, with the master password on a terminal.
func (r *rig) allows(t *testing.T, id string) error {
	t.Helper()
	return r.answers(t, id, "Master password", testPassword)
}

// answers types an answer to the question for a pending request.
func (r *rig) answers(t *testing.T, id, question, answer string) error {
	t.Helper()
	p := newPerson(t)
	done := during(func() error { return r.at(t, p).Approve(t.Context(), id) })
	p.sees(question)
	p.sees("to allow this: ")
	p.types(answer + "\n")
	return <-done
}

// Attack: whoever has the password in a file, a variable or a command approves
// with it what it starts, and nobody looks. The sealed policy can allow it.
func TestAttackUnattendedApproval(t *testing.T) {
	r := prodRig(t)
	r.wants(t, r.client(t), runOf(prod("KEY")), agent.ErrApproval) // the file answers no question
	waiting, err := r.client(t, noPassword).Pending(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatal(waiting, err)
	}
	for _, from := range []agent.Password{agent.FromFile(r.file), agent.FromEnv(testPassword), agent.FromCommand("cat "+r.file, nil)} {
		c := r.client(t, func(o *agent.Options) { o.Password = from })
		if err := c.Approve(t.Context(), waiting[0].ID); !errors.Is(err, agent.ErrDenied) || !strings.Contains(agent.Hint(err), "approve_unattended") {
			t.Errorf("%s: %v, hint %q", from.Kind, err, agent.Hint(err))
		}
	}
	r.setPolicy(t, "[loosen]\napprove_unattended = true\n[[rule]]\nname = \"prod\"\nrefs = [\"*/production/*\"]\napproval = \"session\"\n[[rule]]\nname = \"rest\"\n")
	r.wants(t, r.client(t), runOf(prod("KEY")), nil)
	inside := func(o *agent.Options) { o.Agent = "claude-code" }
	r.wants(t, r.client(t, inside), runOf(prod("OTHER")), agent.ErrApproval) // not inside a coding agent
}

const asksEach = `
[[rule]]
name = "production"
refs = ["*/production/KEY"]
approval = "session"

[[rule]]
name = "production, with the PIN"
refs = ["*/production/OTHER"]
approval = "session"
pin = true

[[rule]]
name = "each use"
refs = ["*/*/EACH"]
approval = "always"

[[rule]]
name = "rest"
approval = "once"
`

func (r *rig) setPIN(t *testing.T, pin string) error {
	t.Helper()
	file := write0600(t, filepath.Join(r.home, "pin"), pin+"\n")
	return r.client(t).SetPIN(t.Context(), agent.FromFile(file))
}

// The PIN allows what is asked for once or for a session, outside of production
// or where the rule says so.
func TestPIN(t *testing.T) {
	r := prodRig(t)
	if _, err := r.client(t, noPassword).Put(t.Context(), agent.PutRequest{Ref: dev("EACH"), Value: secret.New([]byte("value-of-EACH"))}); err != nil {
		t.Fatal(err)
	}
	r.setPolicy(t, asksEach)
	if err := r.setPIN(t, "246813"); err != nil {
		t.Fatal(err)
	}
	const with, without = "Master password or PIN", "Master password, "
	bot := r.client(t, noPassword, mcp)
	pending := func(q agent.GrantRequest) string {
		t.Helper()
		_, err := bot.Grant(t.Context(), q)
		if !errors.Is(err, agent.ErrApproval) {
			t.Fatalf("Grant = %v", err)
		}
		return agent.PendingID(err)
	}
	for what, c := range map[string]struct {
		q        agent.GrantRequest
		question string
		ok       bool
	}{
		"development":                     {runOf(dev("TOKEN")), with, true},
		"production by a rule":            {runOf(prod("OTHER")), with, true},
		"production":                      {runOf(prod("KEY")), without, false},
		"production and production":       {runOf(prod("KEY"), prod("OTHER")), without, false},
		"development and production":      {runOf(dev("TOKEN"), prod("KEY")), without, false},
		"each use":                        {runOf(dev("EACH")), without, false},
		"each use, and what takes a PIN ": {runOf(dev("EACH"), dev("TOKEN")), without, false},
	} {
		id := pending(c.q)
		if !c.ok {
			p := newPerson(t)
			done := during(func() error { return r.at(t, p).Approve(t.Context(), id) })
			p.sees(c.question)
			p.sees("to allow this: ")
			p.types("246813\n")
			p.sees("wrong password")
			p.sees("to allow this: ") // what is typed before the question is dropped
			p.types(testPassword + "\n")
			if err := <-done; err != nil {
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		if err := r.answers(t, id, c.question, "246813"); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		r.wants(t, bot, c.q, nil)
	}
	if n := r.server.tries; n.check() != nil {
		t.Error("right answers left a pause")
	}
}

// Attack: the PIN is guessed: five tries, and no lock, kill or wrong password
// gives more. It opens nothing but approvals, and is no oracle for the password.
func TestAttackPINGuessed(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, asksEach)
	if err := r.setPIN(t, "246813"); err != nil {
		t.Fatal(err)
	}
	bot := r.client(t, noPassword, mcp)
	ask := func() string {
		_, err := bot.Grant(t.Context(), runOf(dev("TOKEN")))
		return agent.PendingID(err)
	}
	for i := range maxPINTries {
		if err := r.answers(t, ask(), "or PIN", "13579"+string(rune('0'+i))); !errors.Is(err, agent.ErrDenied) || !strings.Contains(err.Error(), "wrong PIN") {
			t.Errorf("guess %d: %v", i, err)
		}
		if i == 2 {
			r.forgotten(t)
			bot = r.client(t, noPassword, mcp)
		}
	}
	if err := r.server.tries.check(); err != nil {
		t.Errorf("wrong PINs count as wrong passwords: %v", err)
	}
	if err := r.answers(t, ask(), "or PIN", "246813"); !errors.Is(err, agent.ErrDenied) || !strings.Contains(err.Error(), "void") {
		t.Errorf("the right one after five wrong ones: %v", err)
	}
	if err := r.answers(t, ask(), "or PIN", testPassword); err != nil {
		t.Errorf("the password: %v", err)
	}
	// Set anew, it counts anew; and it is no password.
	if err := r.setPIN(t, "975318"); err != nil {
		t.Fatal(err)
	}
	pin := r.client(t, func(o *agent.Options) { o.Password = agent.FromEnv("975318") })
	if err := pin.SetPolicy(t.Context(), "[[rule]]\nname = \"x\"\n"); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("a policy, with the PIN: %v", err)
	}
}

// What is no PIN is not set, nor by whom it may not be.
func TestPINRefusals(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	for _, bad := range []string{"12345", "1234567890123", "111111", "121212", "12345a", testPassword} {
		if err := r.setPIN(t, bad); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	file := agent.FromFile(write0600(t, filepath.Join(r.home, "pin"), "246813"))
	if err := r.client(t, noPassword).SetPIN(t.Context(), file); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("without the password: %v", err)
	}
	for what, who := range map[string]func(*agent.Options){"an MCP client": mcp, "inside a coding agent": func(o *agent.Options) { o.Agent = "codex" }} {
		if err := r.client(t, who).SetPIN(t.Context(), file); !errors.Is(err, agent.ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := r.client(t, who).PagePIN(t.Context()); !errors.Is(err, agent.ErrDenied) {
			t.Errorf("%s, a page: %v", what, err)
		}
	}
	if r.server.pinSet(t.Context()) {
		t.Error("one of them set it")
	}
}

// The page sets the PIN, and takes it for an approval.
func TestPINOnThePage(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, asksEach)
	cli := r.client(t, noPassword)
	p, err := cli.PagePIN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := during(func() error { return cli.PageWait(t.Context(), p) })
	form := func(password, value string) url.Values {
		return url.Values{"password": {password}, "value": {value}, "do": {"yes"}}
	}
	if body := fill(t, p, form(testPassword, "1234")); !strings.Contains(body, "6 to 12 digits") {
		t.Errorf("too short: %s", body)
	}
	if body := fill(t, p, form("wrong", "246813")); !strings.Contains(body, "Wrong password") {
		t.Errorf("wrong password: %s", body)
	}
	if body := fill(t, p, form(testPassword, "246813")); !strings.Contains(body, "The PIN is set.") {
		t.Errorf("set: %s", body)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	bot := r.client(t, noPassword, mcp)
	_, err = bot.Grant(t.Context(), runOf(dev("TOKEN")))
	p, err = bot.PageApprove(t.Context(), agent.PendingID(err))
	if err != nil {
		t.Fatal(err)
	}
	done = during(func() error { return bot.PageWait(t.Context(), p) })
	if body := fill(t, p, typed("135790")); !strings.Contains(strings.ToLower(body), "wrong pin (4 more)") {
		t.Errorf("wrong PIN: %s", body)
	}
	if body := fill(t, p, typed("246813")); !strings.Contains(body, "Allowed.") {
		t.Errorf("PIN: %s", body)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	r.wants(t, bot, runOf(dev("TOKEN")), nil)
	if err := r.client(t).RemovePIN(t.Context()); err != nil || r.server.pinSet(t.Context()) {
		t.Errorf("RemovePIN: %v", err)
	}
}

package serve

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// unattended lets the tests' password file approve.
const unattended = "[loosen]\napprove_unattended = true\n"

// letThrough has a person approve what bot asks for, and asks again.
func (r *rig) letThrough(t *testing.T, bot *agent.Client, a agent.ImportAsk) {
	t.Helper()
	err := bot.ImportAsk(t.Context(), a)
	if !errors.Is(err, agent.ErrApproval) || agent.PendingID(err) == "" {
		t.Fatalf("a first ask: %v, want ErrApproval with an id", err)
	}
	if err := r.client(t).Approve(t.Context(), agent.PendingID(err)); err != nil {
		t.Fatal(err)
	}
	if err := bot.ImportAsk(t.Context(), a); err != nil {
		t.Fatalf("after approval: %v", err)
	}
}

func put(t *testing.T, c *agent.Client, name string) error {
	t.Helper()
	_, err := c.ImportPut(t.Context(), []agent.ImportRow{importRow(name, 0)}, []secret.Value{secret.New([]byte("value of " + name))})
	return err
}

func asks(names ...string) agent.ImportAsk {
	a := agent.ImportAsk{Source: "dotenv: /srv/shop/.env"}
	for _, n := range names {
		a.Refs = append(a.Refs, importRow(n, 0).Ref)
	}
	return a
}

// TestImportAsked: a coding agent's import is let through by a person, for these
// secrets, this client, a while, under this policy; and for nothing else.
func TestImportAsked(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	r.setPolicy(t, unattended+"[[rule]]\nname = \"rest\"\n")
	bot, other := r.client(t, noPassword, mcp), r.client(t, noPassword, func(o *agent.Options) { o.Client = "mcp:another" })
	for _, name := range []string{"A", "B"} {
		if err := put(t, bot, name); !errors.Is(err, agent.ErrDenied) {
			t.Fatalf("before anybody was asked: %v", err)
		}
	}
	r.letThrough(t, bot, asks("A", "B"))
	if err := put(t, bot, "A"); err != nil {
		t.Errorf("what was let through: %v", err)
	}
	if _, err := bot.ImportCompare(t.Context(), asks("A").Refs, []secret.Value{secret.New([]byte("value of A"))}); err != nil {
		t.Errorf("comparing what was let through: %v", err)
	}
	if sealed, err := bot.ImportSeal(t.Context(), "journal/1/0", []byte("a line")); err != nil || len(sealed) == 0 {
		t.Errorf("the journal of it: %v", err)
	}
	if err := put(t, bot, "C"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("another secret: %v", err)
	}
	if err := put(t, other, "B"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("another client: %v", err)
	}
	if err := bot.ImportAsk(t.Context(), asks("A", "B")); !errors.Is(err, agent.ErrApproval) {
		t.Errorf("the same once more: %v, want to be asked", err)
	}
	r.clock.advance(importTime)
	if err := put(t, bot, "B"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("%v later: %v", importTime, err)
	}

	r.letThrough(t, bot, asks("B"))
	r.setPolicy(t, unattended+"[[rule]]\nname = \"all\"\n")
	if _, err := bot.List(t.Context(), "shop", "dev", ""); err != nil { // the gate sees the new policy with the next request
		t.Fatal(err)
	}
	if _, err := bot.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Fatal(err)
	}
	if err := put(t, bot, "B"); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("under another policy: %v", err)
	}
	r.setPolicy(t, "[[rule]]\nname = \"none\"\nverbs = [\"import\"]\ndeny = true\n[[rule]]\nname = \"all\"\n")
	if err := bot.ImportAsk(t.Context(), asks("B")); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("what the policy denies: %v", err)
	}
	if log := strings.Join(r.log.events("vault_import"), "\n"); !strings.Contains(log, "shop/dev IMPORTING") || !strings.Contains(log, "shop/dev WRITING") {
		t.Errorf("audit has %s", log)
	}
}

// TestImportAskShows: the person sees where from, what, and whether it replaces.
func TestImportAskShows(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	bot := r.client(t, noPassword, mcp)
	a := asks("A", "B")
	a.Replace, a.Reason, a.Source = true, "to move\nholds:   nothing", "dotenv: /srv\n/.env"
	bot.ImportAsk(t.Context(), a)
	waiting, err := bot.Pending(t.Context())
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%+v, %v", waiting, err)
	}
	lines := strings.Join(waiting[0].Lines, "\n")
	for _, want := range []string{"mcp:some-agent asks to import 2 secrets from dotenv: /srv /.env, in place of those that exist", "secrets: shop/dev/A, shop/dev/B", "holds:   for this one use"} {
		if !strings.Contains(lines, want) {
			t.Errorf("the person does not see %q in\n%s", want, lines)
		}
	}
	if strings.Count(lines, "\nholds:") != 1 {
		t.Errorf("a reason passes for another line:\n%s", lines)
	}

	for name, bad := range map[string]agent.ImportAsk{
		"none":     {Source: "x"},
		"too many": asks(make([]string, agent.MaxAsk+1)...),
		"no name":  asks("no good"),
	} {
		if err := bot.ImportAsk(t.Context(), bad); err == nil || errors.Is(err, agent.ErrApproval) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.client(t).ImportAsk(t.Context(), asks("A")); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("a person asks themselves: %v", err)
	}
}

// TestImportAskLocked: no leave outlives a lock.
func TestImportAskLocked(t *testing.T) {
	g := newGate()
	now := time.Now()
	ref := importRow("A", 0).Ref
	g.imports["mcp:x"] = imported{map[secret.Ref]bool{ref: true}, now.Add(time.Minute)}
	if !g.mayImport("mcp:x", []secret.Ref{ref}, now) || !g.mayImport("mcp:x", nil, now) {
		t.Error("what was let through is not")
	}
	g.forget()
	if g.mayImport("mcp:x", []secret.Ref{ref}, now) || g.mayImport("mcp:x", nil, now) {
		t.Error("a leave outlived the lock")
	}
}

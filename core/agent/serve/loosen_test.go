package serve

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

func (r *rig) puts(t *testing.T, c *agent.Client, q agent.PutRequest, want error) {
	t.Helper()
	err := c.MayPut(t.Context(), q)
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("MayPut of %q = %v, want %v", q.From.Kind, err, want)
	}
	q.Value = secret.New([]byte("a value to store"))
	_, err = c.Put(t.Context(), q)
	if want == nil && err != nil || !errors.Is(err, want) {
		t.Errorf("Put of %q = %v, want %v", q.From.Kind, err, want)
	}
}

// A file and a command are verbs of their own, beside create and update.
func TestSourcesPassTheGate(t *testing.T) {
	r := prodRig(t)
	bot := r.client(t, noPassword, mcp)
	file := write0600(t, filepath.Join(r.home, "value"), "x")
	fromFile := agent.PutRequest{Ref: dev("FILED"), From: agent.Source{Kind: agent.FromAFile, Path: file}}
	fromCommand := agent.PutRequest{Ref: dev("PRINTED"), From: agent.Source{Kind: agent.FromACommand, Executable: "/bin/sh", Argv: []string{"sh", "-c", "date"}, Dir: "/"}}
	generated := agent.PutRequest{Ref: dev("MADE"), From: agent.Source{Kind: agent.FromGenerator}}
	for _, q := range []agent.PutRequest{fromFile, fromCommand, generated} {
		r.puts(t, bot, q, nil)
	}
	real := func(path string) string {
		path, err := filepath.EvalSymlinks(path)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	r.setPolicy(t, "[[rule]]\nname = \"from home\"\nverbs = [\"from_file\"]\ndirs = [\""+real(r.home)+"/**\"]\n"+
		"[[rule]]\nname = \"date\"\nverbs = [\"from_command\"]\nexecutables = [\""+real("/bin/sh")+"\"]\nargv = [\"-c date\"]\n"+
		"[[rule]]\nname = \"other sources\"\nverbs = [\"from_file\", \"from_command\"]\ndeny = true\n[[rule]]\nname = \"rest\"\n")
	r.puts(t, bot, fromFile, nil)
	r.puts(t, bot, fromCommand, nil)
	r.puts(t, bot, generated, nil)

	// Attack: a link in the allowed folder, another command, another environment.
	elsewhere := fromFile
	elsewhere.From.Path = filepath.Join(r.home, "link")
	symlink(t, "/etc/passwd", elsewhere.From.Path)
	r.puts(t, bot, elsewhere, agent.ErrDenied)
	other := fromCommand
	other.From.Argv = []string{"sh", "-c", "date; id"}
	r.puts(t, bot, other, agent.ErrDenied)
	turned := fromCommand
	turned.From.Inherited = []string{"LD_PRELOAD=/tmp/x.so"}
	r.puts(t, bot, turned, agent.ErrDenied)
	// The verb beside it counts as well.
	r.setPolicy(t, "[[rule]]\nname = \"frozen\"\nverbs = [\"update\"]\ndeny = true\n[[rule]]\nname = \"rest\"\n")
	r.puts(t, bot, fromFile, agent.ErrDenied)
	for _, bad := range []agent.Source{{Kind: "thin air"}, {Kind: agent.FromAFile, Path: "relative"}, {Kind: agent.FromACommand, Argv: []string{"x"}}} {
		if err := bot.MayPut(t.Context(), agent.PutRequest{Ref: dev("X"), From: bad}); !errors.Is(err, agent.ErrUsage) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// Attack: an MCP client stores a value that its model has seen, as a parameter
// or by not saying where it comes from.
func TestAttackValueParameter(t *testing.T) {
	r := prodRig(t)
	bot := r.client(t, noPassword, mcp)
	for _, kind := range []agent.SourceKind{agent.FromAParameter, agent.FromUndeclared} {
		r.puts(t, bot, agent.PutRequest{Ref: dev("SEEN"), From: agent.Source{Kind: kind}}, agent.ErrDenied)
	}
	r.setPolicy(t, "[loosen]\nvalue_parameter = true\n[[rule]]\nname = \"rest\"\n")
	r.puts(t, bot, agent.PutRequest{Ref: dev("SEEN"), From: agent.Source{Kind: agent.FromAParameter}}, nil)
}

// Asking uses up nothing: neither an approval nor a limit.
func TestMayPutUsesNothingUp(t *testing.T) {
	r := prodRig(t)
	r.setPolicy(t, "[[rule]]\nname = \"each\"\nrefs = [\"*/production/*\"]\napproval = \"always\"\n[[rule]]\nname = \"few\"\nmax = 1\nper = \"1h\"\n"+
		"refs = [\"*/*/FEW\"]\n[[rule]]\nname = \"rest\"\n")
	bot := r.client(t, noPassword, mcp)
	q := agent.PutRequest{Ref: prod("KEY"), From: agent.Source{Kind: agent.FromGenerator}}
	r.puts(t, bot, q, agent.ErrApproval)
	waiting, _ := bot.Pending(t.Context())
	if len(waiting) != 1 {
		t.Fatalf("waiting: %+v", waiting)
	}
	if err := r.allows(t, waiting[0].ID); err != nil {
		t.Fatal(err)
	}
	r.puts(t, bot, q, nil)
	r.puts(t, bot, q, agent.ErrApproval)
	few := agent.PutRequest{Ref: dev("FEW"), From: agent.Source{Kind: agent.FromGenerator}}
	r.puts(t, bot, few, nil)
	r.puts(t, bot, few, agent.ErrDenied)
}

// A client learns whether arguments are warned of, from the sealed policy of an
// open vault alone; and asking over and over does not keep the vault open.
func TestStatusSaysWarnOnly(t *testing.T) {
	r := prodRig(t)
	bot := r.client(t, noPassword, mcp)
	warns := func() bool {
		t.Helper()
		st, err := bot.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.WarnOnly
	}
	if warns() {
		t.Error("the default policy warns only")
	}
	r.setPolicy(t, "[loosen]\nwarn_only = true\n[[rule]]\nname = \"rest\"\n")
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{Idle: time.Minute}); err != nil {
		t.Fatal(err)
	}
	if !warns() {
		t.Error("warn_only of the policy is not told")
	}
	r.clock.advance(40 * time.Second)
	warns()
	r.clock.advance(40 * time.Second)
	if warns() || !locked(t, bot) {
		t.Error("asking for the status kept the vault open")
	}
}

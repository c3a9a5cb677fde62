package serve

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/inode"
	"github.com/opaquevault/ov/core/secret"
)

// What ov found, what the rules were held against and what was summed up are one
// file, or nothing is given.
func TestAttackExchangedExecutable(t *testing.T) {
	r := prodRig(t)
	tool, other := write0600(t, filepath.Join(r.home, "tool"), "#!/bin/sh\n"), write0600(t, filepath.Join(r.home, "other"), "#!/bin/sh\n")
	link := filepath.Join(r.home, "link")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	named := func(path string) inode.ID {
		id, err := inode.Settled(path)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	r.setPolicy(t, fmt.Sprintf("[[rule]]\nname = \"tool\"\nexecutables = [%q]\n[[rule]]\nname = \"shared\"\nrefs = [\"*/*/OTHER\"]\n[[rule]]\nname = \"rest\"\ndeny = true\n", tool))
	cli := r.client(t, noPassword)
	q := runOf(prod("KEY"))
	q.Executable, q.Argv, q.File = tool, []string{"tool"}, named(tool)
	if g, err := cli.Grant(t.Context(), q); err != nil || !g.Exact {
		t.Errorf("the named program: %v; it must be that file: %v", err, err == nil && g.Exact)
	}
	free := q
	free.Refs = []secret.Ref{prod("OTHER")}
	free.Executable, free.File = other, named(other)
	if g, err := cli.Grant(t.Context(), free); err != nil || g.Exact {
		t.Errorf("a program that no rule names: %v; it must be that file: %v", err, err == nil && g.Exact)
	}
	q.File = named(other) // ov met another file there than we do
	r.wants(t, cli, q, agent.ErrDenied)
	free.File = named(tool)
	r.wants(t, cli, free, agent.ErrDenied)
	q.File = named(tool)
	write0600(t, tool, "#!/bin/sh\n") // the same bytes, but nobody can tell
	r.wants(t, cli, q, agent.ErrDenied)
	q.File = named(tool)
	r.wants(t, cli, q, nil)
	q.Executable = link // its target is not the named program
	r.wants(t, cli, q, agent.ErrDenied)

	q.Executable = tool
	if err := os.Chmod(tool, 0o777); err != nil {
		t.Fatal(err)
	}
	q.File = named(tool)
	r.wants(t, cli, q, agent.ErrDenied) // anybody may write it
}

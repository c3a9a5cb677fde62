package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/cmd/ov-mcp/clients"
	"github.com/opaquevault/ov/core/agent"
)

// entry is what the server is called in a client's configuration.
const entry = "ov"

// install is `ov mcp install` and, with remove, `ov mcp uninstall`.
func install(args []string, home string, remove bool) error {
	verb := "install"
	if remove {
		verb = "uninstall"
	}
	flags := newFlags(verb)
	dry := flags.Bool("dry-run", false, "show what would change")
	rules := flags.Bool("rules", false, "also the short text that tells the agent to use ov")
	flags.StringVar(&home, "home", home, "the folder that holds the vault")
	names, err := interspersed(flags, args)
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fmt.Errorf("%w: ov mcp %s CLIENT [--rules] [--dry-run]", errUsage, verb)
	}
	c, err := clients.Find(names[0])
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	places, err := clients.Here()
	if err != nil {
		return err
	}
	ov, err := agent.Sibling("ov")
	if err != nil {
		return err
	}
	s := clients.Server{Command: ov, Args: []string{"mcp", "serve"}}
	if home != filepath.Join(places.Home, ".ov") { // clients scrub OV_HOME
		s.Args = append(s.Args, "--home", home)
	}
	err = edit(c.File(places), *dry, func(before []byte) ([]byte, error) {
		if remove {
			first, err := clients.Read(clients.BackupOf(c.File(places)))
			if err != nil {
				return nil, err
			}
			return c.Restore(first, before, entry)
		}
		return c.Install(before, entry, s)
	})
	if errors.Is(err, clients.ErrByHand) && !remove {
		err = fmt.Errorf("%w: add a server %q that is started by %s %s", err, entry, s.Command, strings.Join(s.Args, " "))
	}
	if err != nil || !*rules && !remove {
		return err
	}
	if path := c.Rules(places); path != "" {
		return edit(path, *dry, func(before []byte) ([]byte, error) {
			if remove {
				return []byte(clients.RemoveRules(string(before))), nil
			}
			return []byte(clients.AddRules(string(before))), nil
		})
	}
	if *rules {
		fmt.Fprintf(os.Stderr, "ov: %s has no file for standing instructions\n", c.Title)
	}
	return nil
}

// edit changes one file, or shows how it would.
func edit(path string, dry bool, change func([]byte) ([]byte, error)) error {
	before, err := clients.Read(path)
	if err != nil {
		return err
	}
	after, err := change(before)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	d := clients.Diff(path, before, after)
	switch {
	case d == "":
		fmt.Fprintf(os.Stderr, "ov: %s: nothing to change\n", path)
		return nil
	case dry:
		fmt.Print(d)
		return nil
	}
	if err := clients.Write(path, before, after); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ov: wrote %s", path)
	if before != nil {
		fmt.Fprintf(os.Stderr, " (the file as it was: %s)", filepath.Base(path)+clients.Backup)
	}
	fmt.Fprintln(os.Stderr)
	return nil
}

var errUsage = errors.New("usage")

// interspersed parses flags that stand before or after the other arguments.
func interspersed(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for {
		if err := flags.Parse(args); err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if args = flags.Args(); len(args) == 0 {
			return rest, nil
		}
		rest, args = append(rest, args[0]), args[1:]
		if strings.HasPrefix(rest[len(rest)-1], "-") {
			return nil, fmt.Errorf("%w: unknown flag %q", errUsage, rest[len(rest)-1])
		}
	}
}

// newFlags returns a set that says nothing itself: errors are told in one place.
func newFlags(name string) *flag.FlagSet {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(io.Discard)
	return f
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/opaquevault/ov/cmd/ov-mcp/clients"
	"github.com/opaquevault/ov/cmd/ov-mcp/wrap"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/scanners/builtin"
)

// errFound says that there are credentials in plain text.
var errFound = errors.New("credentials in plain text")

// finding is a variable of a server that holds a credential.
type finding struct {
	client   clients.Client
	file     string
	server   clients.Entry
	variable string // or where else it stands
	value    string
	fixed    bool // it is no variable: a person has to move it
}

// doctor is `ov mcp doctor`: it finds credentials in the configurations of MCP
// clients, and with --fix moves them into the vault.
func doctor(o config.Options, home string, args []string) error {
	flags := newFlags("doctor")
	flags.StringVar(&home, "home", home, "the folder that holds the vault")
	fix := flags.Bool("fix", false, "offer to move each into the vault")
	yes := flags.Bool("yes", false, "with --fix: move all of them")
	undo := flags.Bool("undo", false, "put the files back as they were")
	if rest, err := interspersed(flags, args); err != nil || len(rest) > 0 {
		return fmt.Errorf("%w: ov mcp doctor [--fix [--yes]] [--undo]", errUsage)
	}
	places, err := clients.Here()
	if err != nil {
		return err
	}
	if *undo {
		return undoAll(places)
	}
	found, err := examine(places)
	if err != nil {
		return err
	}
	for _, f := range found {
		fmt.Printf("%s: server %q: %s holds a credential (%d characters)\n", f.file, f.server.Name, f.variable, len(f.value))
	}
	switch {
	case len(found) == 0:
		fmt.Fprintln(os.Stderr, "ov: no credential in plain text in the clients' configurations")
		return nil
	case !*fix:
		fmt.Fprintln(os.Stderr, `ov: hint: "ov mcp doctor --fix" moves them into the vault`)
		return errFound
	}
	o.Home = home
	cfg, err := config.Load(o)
	if err != nil {
		return err
	}
	v, err := agent.Connect(context.Background(), agent.Options{Home: cfg.Home, Client: "cli", Agent: agent.Detect(os.Environ())})
	if err != nil {
		return err
	}
	defer v.Close()
	left := 0
	for _, f := range found {
		if f.fixed {
			fmt.Fprintf(os.Stderr, "ov: %s: move %s of %q yourself: store it with \"ov secret set\", and let the server take it from its environment\n", f.file, f.variable, f.server.Name)
			left++
			continue
		}
		if !*yes && !confirm(fmt.Sprintf("Move %s of %q into the vault?", f.variable, f.server.Name)) {
			continue
		}
		if err := f.move(v, cfg.Context()); err != nil {
			return err
		}
	}
	if left > 0 {
		return errFound
	}
	return nil
}

func confirm(question string) bool {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return false
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "y")
}

// examine looks at every client's file.
func examine(places clients.Places) ([]finding, error) {
	set, err := redact.Compile(nil, redact.Options{Scanners: builtin.All(), Level: scan.Balanced})
	if err != nil {
		return nil, err
	}
	var all []finding
	for _, c := range clients.All() {
		file := c.File(places)
		doc, err := clients.Read(file)
		if err != nil {
			return nil, err
		}
		servers, err := c.Servers(doc)
		if err != nil {
			fmt.Fprintf(os.Stderr, "ov: %s: %v\n", file, err)
			continue
		}
		for _, s := range servers {
			for name, value := range s.Env {
				if !strings.HasPrefix(value, wrap.Scheme) && credential(set, name, value) {
					all = append(all, finding{c, file, s, name, value, false})
				}
			}
			for where, value := range s.Fixed {
				_, name, _ := strings.Cut(where, ", ")
				if !strings.HasPrefix(value, wrap.Scheme) && credential(set, name, value) {
					all = append(all, finding{c, file, s, where, value, true})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b finding) int {
		return strings.Compare(a.file+"\x00"+a.server.Name+"\x00"+a.variable, b.file+"\x00"+b.server.Name+"\x00"+b.variable)
	})
	return all, nil
}

// credential asks the scanners about NAME=value, as a program would print it.
func credential(set *redact.Set, name, value string) bool {
	var out bytes.Buffer
	w := redact.NewWriter(&out, set, nil)
	fmt.Fprintf(w, "%s=%s\n", name, value)
	w.Close()
	return len(w.Counts()) > 0
}

// move stores the value and rewrites the entry. The value is stored first: if
// the file cannot be written nothing is lost.
func (f finding) move(v *agent.Client, context secret.Ref) error {
	ref := secret.Ref{App: context.App, Env: context.Env, Name: f.variable}
	value := secret.New([]byte(f.value))
	defer value.Wipe()
	err := put(v, ref, value)
	if errors.Is(err, agent.ErrExists) { // another server's variable of this name
		ref.Name = strings.ToUpper(slugName(f.server.Name)) + "_" + f.variable
		err = put(v, ref, value)
	}
	if err != nil {
		return err
	}
	before, err := clients.Read(f.file)
	if err != nil {
		return err
	}
	ov, err := agent.Sibling("ov")
	if err != nil {
		return err
	}
	servers, err := f.client.Servers(before)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(servers, func(e clients.Entry) bool { return e.Name == f.server.Name })
	if i < 0 {
		return fmt.Errorf("%s: server %q is gone", f.file, f.server.Name)
	}
	after, err := f.client.Wrap(before, servers[i], ov, map[string]string{f.variable: wrap.Scheme + ref.String()})
	if errors.Is(err, clients.ErrByHand) {
		fmt.Fprintf(os.Stderr, "ov: stored %s; edit %s yourself: set %s = %q and run the server through \"ov mcp wrap --\"\n", ref, f.file, f.variable, wrap.Scheme+ref.String())
		return nil
	}
	if err == nil {
		err = clients.Write(f.file, before, after)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ov: stored %s; %s starts %q through ov now\n", ref, f.client.Title, f.server.Name)
	fmt.Fprintf(os.Stderr, "ov: hint: %s still holds the value; delete it when all works\n", clients.BackupOf(f.file))
	return nil
}

func put(v *agent.Client, ref secret.Ref, value secret.Value) error {
	_, err := v.Put(context.Background(), agent.PutRequest{Ref: ref, Value: value, Mode: agent.CreateOnly, Reason: "moved by ov mcp doctor", From: agent.Source{Kind: agent.FromAFile}})
	return err
}

// slugName is a server's name as part of a variable's.
func slugName(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, "MCP_"+s)
}

// undoAll puts every backup back.
func undoAll(places clients.Places) error {
	n := 0
	for _, c := range clients.All() {
		file := c.File(places)
		backup, err := clients.Read(clients.BackupOf(file))
		if err != nil || backup == nil {
			continue
		}
		before, err := clients.Read(file)
		if err != nil {
			return err
		}
		if err := clients.Write(file, before, backup); err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "ov: %s is as it was before ov\n", file)
		n++
	}
	if n == 0 {
		fmt.Fprintln(os.Stderr, "ov: nothing to undo")
	}
	return nil
}

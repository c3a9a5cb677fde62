package tools

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/inode"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

type writeArgs struct {
	place
	Name        string   `json:"name"`
	Tags        []string `json:"tags"`
	FromFile    string   `json:"from_file"`
	FromCommand []string `json:"from_command"`
	Value       *string  `json:"value"`
	Generate    *struct {
		Length   int    `json:"length"`
		Alphabet string `json:"alphabet"`
	} `json:"generate"`
}

type stored struct {
	Name        string `json:"name"`
	App         string `json:"app"`
	Environment string `json:"environment"`
	Version     uint64 `json:"version"`
	Size        int    `json:"size_bucket,omitempty"`
	Weak        bool   `json:"weak,omitempty"`
	How         string `json:"how"`
}

func (t *Tools) create(c *call) (any, error) { return t.write(c, agent.CreateOnly) }
func (t *Tools) update(c *call) (any, error) { return t.write(c, agent.UpdateOnly) }

// write is vault_create_secret and vault_update_secret.
func (t *Tools) write(c *call, mode agent.PutMode) (any, error) {
	var a writeArgs
	if err := c.into(&a); err != nil {
		return nil, err
	}
	ref, err := t.named(a.place, a.Name)
	if err != nil {
		return nil, err
	}
	if err := a.oneWay(); err != nil {
		return nil, err
	}
	put := agent.PutRequest{Ref: ref, Mode: mode, Tags: a.Tags, Reason: a.Reason}
	run, err := t.source(&a, &put)
	if err != nil {
		return nil, err
	}
	if put.From.Kind == agent.FromPerson {
		return nil, needsValue{fault{"value_needed", "the user has to enter the value", fmt.Sprintf("ask the user to run: ov secret set %s", ref)}, put}
	}
	if err := c.vault.MayPut(c.ctx, put); err != nil { // before a file is read or a command runs
		return nil, err
	}
	value, how, err := t.value(c, &a, run)
	if err != nil {
		return nil, err
	}
	defer value.Wipe()
	put.Value = value
	info, err := c.vault.Put(c.ctx, put)
	if err != nil {
		return nil, err
	}
	return stored{ref.Name, ref.App, ref.Env, info.Version, info.Size, info.Weak, how}, nil
}

// named resolves the name that a call is about.
func (t *Tools) named(p place, name string) (secret.Ref, error) {
	written, err := secret.ParseRef(name, secret.Ref{App: "x", Env: "x"})
	if err != nil {
		return secret.Ref{}, badInput("name: %v", err)
	}
	var spelled secret.Ref // only the parts that the name itself spells out
	for i := range name {
		if name[i] == '/' {
			if spelled.Env != "" {
				spelled.App = written.App
			}
			spelled.Env = written.Env
		}
	}
	cfg, err := t.resolve(p, spelled, false)
	if err != nil {
		return secret.Ref{}, err
	}
	return secret.ParseRef(name, cfg.Context())
}

func (a *writeArgs) oneWay() error {
	ways := 0
	for _, given := range []bool{a.Generate != nil, a.FromFile != "", a.FromCommand != nil, a.Value != nil} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		return badInput("give one of generate, from_file, from_command, or none")
	}
	return nil
}

// source declares where the value will come from. For a command it returns what
// will be run: exactly that is declared.
func (t *Tools) source(a *writeArgs, put *agent.PutRequest) (spec proc.Spec, err error) {
	from := &put.From
	switch {
	case a.Value != nil:
		from.Kind = agent.FromAParameter
	case a.Generate != nil:
		from.Kind = agent.FromGenerator
	case a.FromFile != "":
		if !filepath.IsAbs(a.FromFile) {
			return spec, badInput("from_file: want an absolute path")
		}
		from.Kind, from.Path = agent.FromAFile, a.FromFile
	case a.FromCommand != nil:
		if len(a.FromCommand) == 0 || a.FromCommand[0] == "" {
			return spec, badInput("from_command: want a program and its arguments")
		}
		spec.Args, spec.Dir, spec.Env = a.FromCommand, t.dir(a.place), childEnviron(t.c.Environ)
		if spec.Path, err = proc.Resolve(spec.Args[0], spec.Dir, spec.Env); err != nil {
			return spec, err
		}
		if spec.File, err = inode.Settled(spec.Path); err != nil {
			return spec, err
		}
		spec.Exact = true
		*from = agent.Source{Kind: agent.FromACommand, Executable: spec.Path, File: spec.File, Argv: spec.Args, Dir: spec.Dir, Inherited: spec.Env}
	default:
		from.Kind = agent.FromPerson
	}
	return spec, nil
}

func (t *Tools) value(c *call, a *writeArgs, run proc.Spec) (secret.Value, string, error) {
	switch {
	case a.Value != nil:
		v := secret.New([]byte(*a.Value))
		if err := v.Check(false); err != nil {
			return v, "", badInput("value: %v", err)
		}
		return v, "parameter", nil
	case a.Generate != nil:
		v, err := secret.Generate(or0(a.Generate.Length, 32), or(a.Generate.Alphabet, "alnum"))
		if err != nil {
			return v, "", badInput("generate: %v", err)
		}
		return v, "generated", nil
	case a.FromFile != "":
		v, err := t.readFile(a.FromFile)
		return v, "file", err
	}
	v, err := commandOutput(c.ctx, run)
	return v, "command", err
}

func or0(n, otherwise int) int {
	if n != 0 {
		return n
	}
	return otherwise
}

// readFile refuses what lies in ov's own folder: the Secret Key's file must not
// become a secret that a child can have.
func (t *Tools) readFile(path string) (secret.Value, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return secret.Value{}, badInput("from_file: %v", err)
	}
	home, err := filepath.EvalSymlinks(t.c.Home)
	if err != nil {
		home = t.c.Home
	}
	if in, err := filepath.Rel(home, path); err != nil || in == "." || filepath.IsLocal(in) {
		return secret.Value{}, fault{"denied_by_policy", "from_file: a file of ov itself", ""}
	}
	f, err := os.Open(path)
	if err != nil {
		return secret.Value{}, badInput("from_file: %v", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return secret.Value{}, badInput("from_file: not a regular file")
	}
	return take(f)
}

// take reads a whole value and drops one newline at its end.
func take(r io.Reader) (secret.Value, error) {
	v, err := secret.Read(r, false)
	if err != nil {
		return v, badInput("the value cannot be read")
	}
	if err := v.Check(false); err != nil {
		v.Wipe()
		return secret.Value{}, badInput("value: %v", err)
	}
	return v, nil
}

// commandOutput runs a command without secrets; what it prints goes nowhere
// but into the vault.
func commandOutput(ctx context.Context, run proc.Spec) (secret.Value, error) {
	stdin, err := input("")
	if err != nil {
		return secret.Value{}, err
	}
	defer stdin.Close()
	run.Stdin = stdin
	p, err := proc.Start(run)
	if err != nil {
		return secret.Value{}, err
	}
	defer p.Close()
	deadline := time.AfterFunc(defaultTimeout, func() { p.Kill(0) })
	defer deadline.Stop()
	stop := context.AfterFunc(ctx, func() { p.Kill(0) })
	defer stop()
	go io.Copy(io.Discard, p.Stderr)
	v, readErr := take(p.Stdout)
	go io.Copy(io.Discard, p.Stdout)
	status, err := p.Wait()
	switch {
	case err != nil:
		return secret.Value{}, err
	case status.Exit() != 0:
		v.Wipe()
		return secret.Value{}, fault{"command_failed", fmt.Sprintf("from_command ended with status %d; nothing was stored", status.Exit()), ""}
	}
	return v, readErr
}

// remove is vault_delete_secret.
func (t *Tools) remove(c *call) (any, error) {
	var a struct {
		place
		Name string `json:"name"`
	}
	if err := c.into(&a); err != nil {
		return nil, err
	}
	ref, err := t.named(a.place, a.Name)
	if err != nil {
		return nil, err
	}
	if err := t.confirmed(c, ref); err != nil {
		return nil, err
	}
	if err := c.vault.Delete(c.ctx, ref); err != nil {
		return nil, err
	}
	return struct {
		Name        string    `json:"name"`
		App         string    `json:"app"`
		Environment string    `json:"environment"`
		Deleted     bool      `json:"deleted"`
		Until       time.Time `json:"restorable_until"`
	}{ref.Name, ref.App, ref.Env, true, time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second)}, nil
}

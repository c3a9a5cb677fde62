package tools

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

// vault_import plans by names: ov-import lists them, and reads no value for it.
// It is applied by ov-import as well, for exactly the names that a person has let
// through at ov-agent. No value of it comes by here.

const (
	importTimeout = 10 * time.Minute // as long as the agent's leave holds
	maxImportText = 4 << 20          // of what ov-import prints
	maxNamesShown = 200
)

// importer is what a vault needs for it. *agent.Client has it.
type importer interface {
	ImportAsk(context.Context, agent.ImportAsk) error
}

type importArgs struct {
	place
	Source  string   `json:"source"`
	Path    string   `json:"path"`
	Match   []string `json:"match"`
	Exclude []string `json:"exclude"`
	Strip   string   `json:"strip_prefix"`
	Replace bool     `json:"replace"`
	Apply   bool     `json:"apply"`
}

type importResult struct {
	Source      string       `json:"source"`
	App         string       `json:"app"`
	Environment string       `json:"environment"`
	New         int          `json:"new"`
	Existing    int          `json:"existing"`
	Unusable    int          `json:"unusable"`
	NewNames    []string     `json:"new_names"`
	OldNames    []string     `json:"existing_names"`
	Clashes     []string     `json:"clashes,omitempty"`
	Applied     bool         `json:"applied"`
	Written     *int         `json:"written,omitempty"`
	Failed      []importFail `json:"failed,omitempty"`
	Next        string       `json:"next_step,omitempty"`
}

type importFail struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

// importPlan is what ov-import says of a source.
type importPlan struct {
	Source  string
	Names   []string
	Clashes []string
	Invalid int
}

// importFrom is vault_import.
func (t *Tools) importFrom(c *call) (any, error) {
	var a importArgs
	if err := c.into(&a); err != nil {
		return nil, err
	}
	if a.Source == "" || strings.HasPrefix(a.Source, "-") {
		return nil, badInput("source: want PROVIDER://..., or the path of a .env file")
	}
	cfg, err := t.resolve(a.place, secret.Ref{}, false)
	if err != nil {
		return nil, err
	}
	space := cfg.Context()
	there, err := c.vault.List(c.ctx, space.App, space.Env, "") // of a locked vault there is no plan
	if err != nil && !errors.Is(err, agent.ErrNotFound) {
		return nil, err
	}
	var p importPlan
	if err := t.runImport(c, &a, space, nil, &p); err != nil {
		return nil, err
	}
	r := importResult{Source: c.masks.masked(p.Source), App: space.App, Environment: space.Env, Unusable: p.Invalid, Clashes: some(p.Clashes)}
	fresh, old := split(p.Names, there)
	r.New, r.Existing, r.NewNames, r.OldNames = len(fresh), len(old), some(fresh), some(old)
	take := fresh
	if a.Replace {
		take = slices.Concat(fresh, old)
	}
	switch {
	case len(take) == 0:
		r.Next = "nothing to import"
		return r, nil
	case !a.Apply:
		r.Next = "call again with apply: the user is asked then"
		return r, nil
	}
	err = t.applyImport(c, &a, space, p.Source, take, &r)
	return r, err
}

// applyImport asks for take, and imports it once a person has agreed.
func (t *Tools) applyImport(c *call, a *importArgs, space secret.Ref, source string, take []string, r *importResult) error {
	v, ok := c.vault.(importer)
	if !ok {
		return fault{code: "internal", message: "no imports here"}
	}
	if len(take) > agent.MaxAsk {
		return badInput("%d secrets are to be imported, at most %d at once: narrow it with path, match or exclude", len(take), agent.MaxAsk)
	}
	ask := agent.ImportAsk{Source: source, Replace: a.Replace, Reason: a.Reason}
	for _, n := range take {
		ask.Refs = append(ask.Refs, secret.Ref{App: space.App, Env: space.Env, Name: n})
	}
	if err := v.ImportAsk(c.ctx, ask); err != nil {
		return err
	}
	var done struct {
		Written, Unchanged int
		Failed             []importFail
	}
	if err := t.runImport(c, a, space, take, &done); err != nil {
		return err
	}
	for _, f := range done.Failed {
		r.Failed = append(r.Failed, importFail{f.Name, c.masks.masked(f.Note)})
	}
	written := done.Written + done.Unchanged // which of the two would say whether a value was there before
	r.Applied, r.Written = true, &written
	return nil
}

// split tells names apart by whether the vault has them.
func split(names []string, there []agent.Info) (fresh, old []string) {
	has := map[string]bool{}
	for _, i := range there {
		has[i.Ref.Name] = true
	}
	for _, n := range names {
		if has[n] {
			old = append(old, n)
		} else {
			fresh = append(fresh, n)
		}
	}
	return fresh, old
}

func some(names []string) []string {
	return append([]string{}, names[:min(len(names), maxNamesShown)]...)
}

// runImport runs ov-import for this client and decodes what it prints into out.
// With names it imports these.
func (t *Tools) runImport(c *call, a *importArgs, space secret.Ref, names []string, out any) error {
	path, err := agent.Sibling("ov-import")
	if err != nil {
		return err
	}
	args := []string{path, "--home", t.c.Home, "--app", space.App, "--env", space.Env, "for-agent", "--client", c.client,
		"--path", a.Path, "--strip-prefix", a.Strip}
	for _, m := range a.Match {
		args = append(args, "--match", m)
	}
	for _, m := range a.Exclude {
		args = append(args, "--exclude", m)
	}
	stdin := ""
	if names != nil {
		list, err := json.Marshal(names)
		if err != nil {
			return err
		}
		stdin, args = string(list), append(args, "--apply")
	}
	in, err := input(stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	p, err := proc.Start(proc.Spec{Path: path, Args: append(args, "--", a.Source), Env: importEnviron(t.c.Environ), Dir: t.dir(a.place), Stdin: in})
	if err != nil {
		return err
	}
	defer p.Close()
	text, said, err := outputs(c.ctx, p)
	if err != nil {
		return err
	}
	status, err := p.Wait()
	switch {
	case err != nil:
		return err
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case status.Exit() == exitLocked:
		return agent.ErrLocked
	case status.Exit() != 0:
		return fault{"import_failed", c.masks.masked(complaint(said)), ""}
	case json.Unmarshal(text, out) != nil:
		return fault{"import_failed", "ov-import did not say what there is", `ask the user to run "ov doctor"`}
	}
	return nil
}

// exitLocked is the status with which every program of ours says that the vault
// is locked.
const exitLocked = 4

// outputs reads all that p prints, up to a bound, and ends it when ctx does or
// when it takes too long.
func outputs(ctx context.Context, p *proc.Process) (stdout, stderr []byte, err error) {
	deadline := time.AfterFunc(importTimeout, func() { p.Kill(commandGrace) })
	defer deadline.Stop()
	stop := context.AfterFunc(ctx, func() { p.Kill(commandGrace) })
	defer stop()
	errs := make(chan []byte, 1)
	go func() { errs <- bounded(p.Stderr) }()
	stdout = bounded(p.Stdout)
	stderr = <-errs
	if len(stdout) > maxImportText {
		return nil, nil, fault{"import_failed", "the source has too many names", "narrow it with path, match or exclude"}
	}
	return stdout, stderr, nil
}

// bounded reads a little more than the bound and throws the rest away.
func bounded(f io.Reader) []byte {
	b, _ := io.ReadAll(io.LimitReader(f, maxImportText+1))
	io.Copy(io.Discard, f)
	return b
}

// complaint is the last thing that was said to the person, in one line.
func complaint(said []byte) string {
	lines := strings.FieldsFunc(string(said), func(r rune) bool { return r == '\n' })
	var keep []string
	for _, l := range lines {
		if l = strings.TrimPrefix(l, "ov: "); l != "" {
			keep = append(keep, oneLine(valid(l)))
		}
	}
	if len(keep) == 0 {
		return "ov-import ended without a word"
	}
	s := strings.Join(keep[max(0, len(keep)-2):], "; ")
	return s[:min(len(s), 600)]
}

// importEnviron is the server's environment, in which a person may have put the
// sign-in of a service, without what gives or changes ov's own.
func importEnviron(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(e string) bool { return strings.HasPrefix(e, "OV_") })
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/version"
	"github.com/opaquevault/ov/scanners/walk"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// scanFlags are the flags of ov scan.
type scanFlags struct {
	stdin, git, mcp, vault    bool
	noIgnore, binary, newBase bool
	level, format, failOn     string
	baseline                  string
	maxSize                   int64
	depth                     int
}

func (c *cli) scanCmd() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan [PATH...]",
		Short: "Find secrets that lie around in files, git history and MCP configurations",
		Long: `Looks for credentials by their shape, and with --vault for values of the vault (encoded ones as well).
Shows where they are, never what they are. Without PATH: the current folder. Exit status 3: something was found.`,
		Example: `  ov scan
  ov scan --git .
  ov scan --mcp --vault
  git diff | ov scan --stdin --format json`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.scan(cmd.Context(), f, args) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.stdin, "stdin", false, "look through stdin")
	fl.BoolVar(&f.git, "git", false, "look through what every commit of the repositories added")
	fl.BoolVar(&f.mcp, "mcp", false, "look through the configuration of MCP clients")
	fl.BoolVar(&f.vault, "vault", false, "look for values of the vault, of the app and environment")
	fl.BoolVar(&f.noIgnore, "no-ignore", false, "look into what .gitignore names")
	fl.BoolVar(&f.binary, "binary", false, "look into binary files")
	fl.StringVar(&f.level, "level", "balanced", "what to take for a secret: known (the vault's values), precise, balanced or strict")
	fl.StringVar(&f.format, "format", "text", "how to report: "+strings.Join(walk.Formats(), ", "))
	fl.StringVar(&f.failOn, "fail-on", "strict", "exit with 3 for findings of this level or a more certain one; none: never")
	fl.StringVar(&f.baseline, "baseline", "", "do not report what this `FILE` knows")
	fl.BoolVar(&f.newBase, "update-baseline", false, "write what is found to the baseline instead")
	fl.Int64Var(&f.maxSize, "max-size", walk.DefaultMaxSize, "skip files of more `BYTES`; 0: none")
	fl.IntVar(&f.depth, "depth", walk.DefaultDepth, "archives in archives to open")
	return cmd
}

func (c *cli) scan(ctx context.Context, f scanFlags, paths []string) error {
	threshold, err := f.check(paths)
	if err != nil {
		return err
	}
	home, err := c.homeFolder()
	if err != nil {
		return err
	}
	base := walk.NewBaseline()
	if f.baseline != "" {
		if base, err = walk.OpenBaseline(f.baseline); err != nil {
			return err
		}
	}
	o := walk.Options{Key: base.Key, NoIgnore: f.noIgnore, Binary: f.binary, MaxSize: f.maxSize, Depth: f.depth, Progress: c.progress()}
	if o.Rules, err = c.scanRules(f.level, home, f.vault); err != nil {
		return err
	}
	var look *vaultLook
	if f.vault {
		if look, err = c.lookForVault(ctx, &o); err != nil {
			return err
		}
	}
	r, err := c.walk(ctx, f, paths, o)
	if err = errors.Join(err, look.done(ctx, r, err)); err != nil {
		return err
	}
	if f.newBase {
		c.say("%s in the baseline", plural(len(r.Findings), "finding"))
		return base.Write(f.baseline, r.Findings)
	}
	r.Findings = base.New(r.Findings)
	if err := walk.Report(c.out, f.format, version.Get().Version, r); err != nil {
		return err
	}
	return c.verdict(r, threshold)
}

// check refuses flags that do not go together, and returns from which tier on
// findings fail.
func (f *scanFlags) check(paths []string) (scan.Tier, error) {
	switch {
	case f.stdin && (len(paths) > 0 || f.git || f.mcp):
		return 0, misuse{errors.New("--stdin: nothing else can be looked through at the same time")}
	case f.newBase && f.baseline == "":
		return 0, misuse{errors.New("--update-baseline: --baseline names no file")}
	case f.level == "known" && !f.vault:
		return 0, misuse{errors.New("--level known: only --vault knows values")}
	case !slices.Contains(walk.Formats(), f.format):
		return 0, misuse{fmt.Errorf("--format %q: want one of %s", f.format, strings.Join(walk.Formats(), ", "))}
	case f.maxSize < 0 || f.depth < 0 || f.depth > 10:
		return 0, misuse{errors.New("--max-size and --depth: want 0 or more, and a depth of 10 at most")}
	case f.failOn == "none":
		return 0, nil
	}
	for tier, name := range levels() {
		if name == f.failOn && tier > 0 {
			return scan.Tier(tier), nil
		}
	}
	return 0, misuse{fmt.Errorf("--fail-on %q: want none, precise, balanced or strict", f.failOn)}
}

// scanRules compiles the scanners of the level: the built-in rules, the rule
// files, the installed modules, as ov run has them.
func (c *cli) scanRules(level, home string, vault bool) (*rule.Set, error) {
	m := maskFlags{lanes: "all", level: level}
	o, err := m.options(c, home)
	if err != nil || o.Level == scan.Known {
		return nil, err
	}
	// What a module fails on is a finding, whatever the policy says of output: no agent is asked.
	report := c.scannerFailures(&ledger{})
	store := c.scannerStore(home)
	store.Vouched = vault // or else nobody has looked at the lock file
	all, err := store.Scanners(func(string) wasmhost.Options { return wasmhost.Options{Report: report} })
	if err != nil {
		return nil, hinted{err, `"ov scanner verify" says more`}
	}
	for _, s := range all {
		if s.Manifest().Mode == manifest.Stream {
			c.say("scanner %s is of stream mode, and is left out: it marks places in output, not in files", s.Manifest().Name)
			continue
		}
		o.Scanners = append(o.Scanners, s)
	}
	return rule.Compile(o.Scanners, o.Level)
}

// walk looks where the flags say.
func (c *cli) walk(ctx context.Context, f scanFlags, paths []string, o walk.Options) (*walk.Result, error) {
	defer c.progressDone()
	if f.stdin {
		return walk.Reader(c.in, "stdin", o)
	}
	if f.mcp {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("find home folder: %w", err)
		}
		dir, err := os.Getwd()
		if err != nil {
			return nil, fmt.Errorf("find working directory: %w", err)
		}
		if paths = append(paths, walk.MCPConfigs(home, dir)...); len(paths) == 0 {
			c.say("no configuration of an MCP client")
			return &walk.Result{}, nil
		}
	} else if len(paths) == 0 {
		paths = []string{"."}
	}
	if !f.git {
		return walk.Paths(ctx, paths, o)
	}
	all := &walk.Result{}
	for _, p := range paths {
		r, err := walk.Git(ctx, p, o)
		if err != nil {
			return nil, err
		}
		all.Findings, all.Skipped = append(all.Findings, r.Findings...), append(all.Skipped, r.Skipped...)
		all.Files, all.Bytes = all.Files+r.Files, all.Bytes+r.Bytes
	}
	return all, nil
}

// verdict tells what was not looked into and what the exit status is.
func (c *cli) verdict(r *walk.Result, threshold scan.Tier) error {
	failed := 0
	for _, s := range r.Skipped {
		if s.Failed {
			failed++
			c.say("not looked into: %s: %s", s.Path, s.Why)
		}
	}
	found := 0
	for _, f := range r.Findings {
		if threshold > 0 && f.Tier <= threshold {
			found++
		}
	}
	c.say("%s in %s, %.1f MB", plural(len(r.Findings), "finding"), plural(int(r.Files), "file"), float64(r.Bytes)/1e6)
	switch {
	case found > 0:
		return exit.ErrFound
	case failed > 0:
		return fmt.Errorf("scan: %s could not be looked into", plural(failed, "file"))
	}
	return nil
}

// progress returns what shows how far the scan is, on a terminal only.
func (c *cli) progress() func(files, bytes int64) {
	if !isTerminal(c.err) {
		return nil
	}
	tick := make(chan struct{}, 1)
	tick <- struct{}{}
	last := time.Now()
	return func(files, bytes int64) {
		select {
		case <-tick:
		default:
			return
		}
		if time.Since(last) > 100*time.Millisecond {
			last = time.Now()
			fmt.Fprintf(c.err, "\r\x1b[K%d files, %.1f MB", files, float64(bytes)/1e6)
		}
		tick <- struct{}{}
	}
}

// progressDone clears the line.
func (c *cli) progressDone() {
	if isTerminal(c.err) {
		fmt.Fprint(c.err, "\r\x1b[K")
	}
}

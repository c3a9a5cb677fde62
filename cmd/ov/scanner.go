package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

func (c *cli) scannerCmd() *cobra.Command {
	return noun("scanner", "Third-party scanners: WASM modules and rule files that find secrets by their shape",
		c.scannerNewCmd(), c.scannerPackCmd(), c.scannerTestCmd(), c.scannerBenchCmd(),
		c.scannerAddCmd(), c.scannerListCmd(), c.scannerRemoveCmd(), c.scannerVerifyCmd(), c.scannerTrustCmd())
}

// scanners returns the installed modules' store.
func (c *cli) scanners() (*lock.Store, error) {
	home, err := c.homeFolder()
	if err != nil {
		return nil, err
	}
	return c.scannerStore(home), nil
}

// scannerStore is where modules are kept. What its lock file was is remembered.
func (c *cli) scannerStore(home string) *lock.Store {
	return &lock.Store{Dir: filepath.Join(home, "scanners"), Attest: func(lock []byte) error {
		c.locks.Modules = agent.LockDigest(lock)
		return nil
	}}
}

func (c *cli) scannerAddCmd() *cobra.Command {
	var key string
	var yes bool
	cmd := &cobra.Command{
		Use:   "add FILE",
		Short: "Install a module (its sha256 goes into scanners.lock) or a rule file",
		Long: `Installs a module for every run that masks by shape. It is compiled and started first; a file that changes afterwards is
not run. With --key, FILE.sig must hold its ed25519 signature, and so must each later version's.
The vault records what is installed, for the master password; --yes skips the other question only.
A FILE.toml is a rule file, in gitleaks' format or ours: a copy is kept, and what of it a stream cannot heed is said.`,
		Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isRules(args[0]) {
				return c.addRules(cmd.Context(), args[0])
			}
			store, err := c.recordedScanners(cmd.Context())
			if err != nil {
				return err
			}
			wasm, err := readModule(args[0])
			if err != nil {
				return err
			}
			sig, err := os.ReadFile(args[0] + ".sig")
			if err != nil && (key != "" || !errors.Is(err, os.ErrNotExist)) {
				return hinted{fmt.Errorf("add %q: %w", args[0], err), "a pinned key needs the signature beside the module"}
			}
			s, err := wasmhost.Load(wasm, wasmhost.Options{})
			if err != nil {
				return fmt.Errorf("add %q: %w", args[0], err)
			}
			if err := c.agree(s.Manifest(), yes); err != nil {
				return err
			}
			if err := fits(store, s); err != nil {
				return fmt.Errorf("add %q: %w", args[0], err)
			}
			e, err := store.Add(wasm, lock.Signed{Key: key, Signature: sig})
			if err != nil {
				return fmt.Errorf("add %q: %w", args[0], err)
			}
			c.say("installed %s %s, sha256 %s", e.Name, e.Manifest.Version, e.SHA256)
			return nil
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "pin an ed25519 public `KEY` (base64)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// fits compiles a new module's keywords with those of all others, so that no
// later run finds that they are too many.
func fits(store *lock.Store, s *wasmhost.Scanner) error {
	o := redact.Options{Level: scan.Strict, Scanners: append(builtin.All(), s)}
	installed, err := store.Scanners(func(string) wasmhost.Options { return wasmhost.Options{} })
	if err != nil {
		return err
	}
	for _, other := range installed {
		if other.Manifest().Name != s.Manifest().Name {
			o.Scanners = append(o.Scanners, other)
		}
	}
	_, err = redact.Compile(nil, o)
	return err
}

// agree asks a person about a module before it is installed.
func (c *cli) agree(m *manifest.Manifest, yes bool) error {
	for _, note := range m.Lint() {
		c.say("note: %s", note)
	}
	if yes {
		return nil
	}
	ok, err := c.ask(fmt.Sprintf("%s %s (%s): %s\nIt sees output around %s, and can only mask. Install it?",
		m.Name, m.Version, m.License, m.Description, strings.Join(keywords(m), ", ")))
	if err != nil {
		return hinted{fmt.Errorf("add %q: %w", m.Name, err), "--yes installs it without asking"}
	}
	if !ok {
		return fmt.Errorf("add %q: not installed", m.Name)
	}
	return nil
}

func keywords(m *manifest.Manifest) []string {
	var all []string
	for _, r := range m.Rules {
		for _, k := range r.Keywords {
			all = append(all, fmt.Sprintf("%q", k))
		}
	}
	if len(all) == 0 {
		return []string{"everything"}
	}
	return all
}

func readModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, module.MaxSize+1))
}

func (c *cli) scannerListCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "list", Short: "List the installed modules and rule files", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		store, err := c.scanners()
		if err != nil {
			return err
		}
		all, err := store.List()
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(append([]lock.Entry{}, all...))
		}
		t := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
		for _, e := range all {
			var rules []string
			for _, r := range e.Manifest.Rules {
				rules = append(rules, r.ID)
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Name, e.Manifest.Version, e.Manifest.Mode, strings.Join(rules, ", "))
		}
		if err := c.listRules(t); err != nil {
			return err
		}
		return t.Flush()
	}})
}

func (c *cli) scannerRemoveCmd() *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "Uninstall a module or a rule file", Args: nArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if isRules(args[0]) {
			return c.removeRules(cmd.Context(), args[0])
		}
		store, err := c.recordedScanners(cmd.Context())
		if err != nil {
			return err
		}
		if err := store.Remove(args[0]); err != nil {
			return err
		}
		c.say("removed %s: what only it found is not masked any more", args[0])
		return nil
	}}
}

// outputs are where masked bytes go: stdout and stderr, behind the scanners of
// stream mode. close decides what those hold.
type outputs struct {
	stdout, stderr io.Writer
	open           []*wasmhost.Writer
	once           sync.Once
	err            error
}

// outputs puts the scanners of stream mode before stdout and stderr.
func (c *cli) outputs(flows []*wasmhost.Scanner, terminal bool) (*outputs, error) {
	o := &outputs{stdout: c.out, stderr: c.err}
	if len(flows) > 0 && terminal {
		return nil, hinted{fmt.Errorf("scanner %q is of stream mode and needs pipes", flows[0].Manifest().Name), "run with --no-pty, or redirect the output"}
	}
	for _, s := range flows {
		for _, dst := range []*io.Writer{&o.stdout, &o.stderr} {
			w, err := wasmhost.NewWriter(*dst, s)
			if err != nil {
				return nil, err
			}
			*dst, o.open = w, append(o.open, w)
		}
	}
	return o, nil
}

// close decides what is held, the last scanner first: it writes to the others. A
// reader of ours that went away is no failure.
func (o *outputs) close() error {
	o.once.Do(func() {
		var all []error
		for _, w := range slices.Backward(o.open) {
			if err := w.Close(); !errors.Is(err, syscall.EPIPE) {
				all = append(all, err)
			}
		}
		o.err = errors.Join(all...)
	})
	return o.err
}

// counts are what the scanners of stream mode masked, by rule, once no more
// output comes.
func (o *outputs) counts() []agent.Count {
	o.close() // its error is reported by the next call
	sum := map[string]int64{}
	for _, w := range o.open {
		for rule, n := range w.Found() {
			sum[rule] += n
		}
	}
	var all []agent.Count
	for _, rule := range slices.Sorted(maps.Keys(sum)) {
		all = append(all, agent.Count{Rule: rule, N: sum[rule]})
	}
	return all
}

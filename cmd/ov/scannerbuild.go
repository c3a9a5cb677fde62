package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/scanners/wasmhost/conform"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/starter"
)

func (c *cli) scannerNewCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "new LANGUAGE NAME",
		Short:   "Write a first scanner: " + strings.Join(starter.Languages(), ", "),
		Example: "  ov scanner new c my-token && cd my-token && ./build.sh && ov scanner pack my-token.wasm && ov scanner test my-token.wasm",
		Args:    nArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := starter.New(args[0], args[1]); err != nil {
				return misuse{err}
			}
			name := filepath.Base(args[1])
			c.say("wrote %s; in it:", args[1])
			c.printf("./build.sh\nov scanner pack %s.wasm\nov scanner test %s.wasm\nov scanner add %s.wasm\n", name, name, name)
			return nil
		},
	}
}

func (c *cli) scannerPackCmd() *cobra.Command {
	var source, out string
	cmd := &cobra.Command{
		Use:   "pack MODULE.wasm",
		Short: "Put scanner.toml into a module: its manifest and its test cases",
		Args:  nArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			wasm, err := readModule(args[0])
			if err != nil {
				return err
			}
			if source == "" {
				source = filepath.Join(filepath.Dir(args[0]), "scanner.toml")
			}
			packed, err := manifest.PackFile(wasm, source)
			if err != nil {
				return fmt.Errorf("pack %q: %w", args[0], err)
			}
			if out == "" {
				out = args[0]
			}
			if err := os.WriteFile(out, packed, 0o644); err != nil {
				return err
			}
			c.say("wrote %s, %d bytes", out, len(packed))
			return nil
		},
	}
	cmd.Flags().StringVarP(&source, "manifest", "m", "", "the manifest's `FILE` (default: scanner.toml beside the module)")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of over the module")
	return cmd
}

func (c *cli) scannerTestCmd() *cobra.Command {
	var o conform.Options
	cmd := &cobra.Command{
		Use:   "test MODULE.wasm",
		Short: "Run the conformance kit over a module",
		Long: `Runs the module's own cases whole, split at every byte and byte by byte; holds its answers to be a function of the window
alone; compares both engines, and metered with unmetered, over fuzzed windows; measures fuel, memory and speed.
Exits 1 if a check fails.`,
		Args: nArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			wasm, err := readModule(args[0])
			if err != nil {
				return err
			}
			o.Log = func(level, code int32) { c.say("log: level %d, code %d", level, code) }
			r := conform.Run(wasm, o)
			if err := r.Print(c.out); err != nil {
				return err
			}
			if !r.Passed() {
				return exited{1}
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Windows, "windows", 10_000, "how many fuzzed windows")
	cmd.Flags().Uint64Var(&o.Seed, "seed", 0, "of the fuzzed windows")
	return cmd
}

func (c *cli) scannerBenchCmd() *cobra.Command {
	return &cobra.Command{Use: "bench MODULE.wasm", Short: "Measure a module on this machine", Args: nArgs(1), RunE: func(_ *cobra.Command, args []string) error {
		wasm, err := readModule(args[0])
		if err != nil {
			return err
		}
		r, err := conform.Bench(wasm)
		if err != nil {
			return fmt.Errorf("bench %q: %w", args[0], err)
		}
		return r.Print(c.out)
	}}
}

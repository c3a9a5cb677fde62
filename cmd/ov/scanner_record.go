package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/scanners/rules"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// recordedScanners returns the modules' store for changes: what is to be locked
// is recorded in the vault first, for the master password.
func (c *cli) recordedScanners(ctx context.Context) (*lock.Store, error) {
	home, err := c.homeFolder()
	if err != nil {
		return nil, err
	}
	if err := c.readLocks(home); err != nil {
		return nil, err
	}
	store := c.scannerStore(home)
	store.Record = func(content []byte) error {
		next := c.locks
		next.Modules = agent.LockDigest(content)
		return c.record(ctx, home, agent.LocksChange{Old: c.locks, New: next})
	}
	return store, nil
}

// recordedRules is recordedScanners for rule files.
func (c *cli) recordedRules(ctx context.Context, home string) (rules.Folder, error) {
	if err := c.readLocks(home); err != nil {
		return rules.Folder{}, err
	}
	folder := c.ruleFolder(home)
	folder.Record = func(content []byte) error {
		next := c.locks
		next.Rules = agent.LockDigest(content)
		return c.record(ctx, home, agent.LocksChange{Old: c.locks, New: next})
	}
	return folder, nil
}

// readLocks notes what both lock files are now.
func (c *cli) readLocks(home string) error {
	if _, err := c.scannerStore(home).List(); err != nil {
		return err
	}
	_, err := c.ruleFolder(home).Load()
	return err
}

// record has the vault record a change. Without a vault there is nothing to
// record it in, and no secret to mask either.
func (c *cli) record(ctx context.Context, home string, ch agent.LocksChange) error {
	if !agent.HasVault(home) {
		c.say("there is no vault yet to record it in: \"ov vault init\" will")
		return nil
	}
	client, err := c.connect(ctx, home)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.RecordLocks(ctx, ch)
}

func (c *cli) scannerTrustCmd() *cobra.Command {
	return &cobra.Command{Use: "trust", Short: "Record the installed modules and rule files as they are; needs the master password", Args: noArgs,
		Long: `The vault records what scanners.lock and rules.lock hold, and "ov run" does not start when they are others: one of them was
edited, replaced or removed. Look at what is there with "ov scanner list" and "ov scanner verify", then record it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			home, err := c.homeFolder()
			if err != nil {
				return err
			}
			modules, files, err := c.checkInstalled(home)
			if err != nil {
				return hinted{err, `remove or add again what does not hold: "ov scanner remove", "ov scanner add"`}
			}
			if !agent.HasVault(home) {
				return fmt.Errorf("record scanners: %w", agent.ErrNoVault)
			}
			if err := c.record(cmd.Context(), home, agent.LocksChange{New: c.locks, Accept: true}); err != nil {
				return err
			}
			c.say("recorded: %s, %s", plural(modules, "module"), plural(files, "rule file"))
			return nil
		}}
}

// checkInstalled holds every installed file against its lock and counts them.
func (c *cli) checkInstalled(home string) (modules, files int, err error) {
	store := c.scannerStore(home)
	all, err := store.List()
	if err != nil {
		return 0, 0, err
	}
	for _, e := range all {
		err = errors.Join(err, store.VerifyCode(e))
	}
	added, bad := c.ruleFolder(home).Load()
	return len(all), len(added), errors.Join(err, bad)
}

func (c *cli) scannerVerifyCmd() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Hold the installed files against scanners.lock and rules.lock, and these against the vault", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := c.scanners()
			if err != nil {
				return err
			}
			all, err := store.List()
			if err != nil {
				return err
			}
			var bad []error
			for _, e := range all {
				if err := store.VerifyCode(e); err != nil {
					bad = append(bad, err)
					c.printf("FAIL %s\n", e.Name)
					continue
				}
				c.printf("ok   %s %s\n", e.Name, e.SHA256)
			}
			home := filepath.Dir(store.Dir)
			files, err := c.ruleFolder(home).Load()
			for _, f := range files {
				c.printf("ok   %s\n", f.Name)
			}
			return errors.Join(append(bad, err, c.verifyRecord(cmd.Context(), home))...)
		}}
}

// verifyRecord holds the lock files against what the vault records.
func (c *cli) verifyRecord(ctx context.Context, home string) error {
	if !agent.HasVault(home) {
		c.say("there is no vault: nothing records scanners.lock and rules.lock")
		return nil
	}
	client, err := c.connect(ctx, home)
	if err != nil {
		return err
	}
	defer client.Close()
	recorded, ok, err := client.Recorded(ctx)
	switch {
	case err != nil:
		return err
	case recorded != c.locks:
		return hinted{fmt.Errorf("%w: \"ov run\" does not start with them", agent.ErrScanners), `"ov scanner trust" records what is there now, with the master password`}
	case ok:
		c.say("recorded in the vault")
	}
	return nil
}

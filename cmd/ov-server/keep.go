package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/archive"
)

// What gc keeps: answers for as long as a client might send a commit again,
// old manifests as long as history.
const (
	keepAnswers   = 48 * time.Hour
	keepManifests = 90 * 24 * time.Hour
	collectEvery  = time.Hour
)

func retention(now time.Time) depot.Retention {
	return depot.Retention{Now: now, Answers: keepAnswers, Manifests: keepManifests}
}

// collect removes now and then what nobody can ask for any more.
func collect(ctx context.Context, d depot.Depot, log *slog.Logger) {
	tick := time.NewTicker(collectEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			mine, err := turn(ctx, d, now)
			if err == nil && !mine {
				continue
			}
			var got depot.Collected
			if err == nil {
				got, err = d.Collect(ctx, retention(now))
			}
			if err != nil {
				log.Error("gc", slog.String("cause", err.Error()))
				continue
			}
			log.Info("gc", slog.Int64("answers", got.Answers), slog.Int64("manifests", got.Manifests), slog.Int64("notes", got.Notes))
		}
	}
}

// turn reports whether this replica is the one that collects, of all that share
// the database: for nearly as long as until the next time.
func turn(ctx context.Context, d depot.Depot, now time.Time) (bool, error) {
	n := depot.Note{Kind: depot.NoteTurn, ID: []byte("collect"), Version: 1, Expires: now.Add(collectEvery - collectEvery/10)}
	err := d.PutNote(ctx, depot.Vault{}, n, now)
	if errors.Is(err, blob.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// with runs f on the configured database.
func (c *cli) with(ctx context.Context, f func(context.Context, depot.Depot) error) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	d, err := conf.depot(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, d), d.Close())
}

func (c *cli) backupCmd() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write all vaults into one file", Args: cobra.ExactArgs(1),
		Long: `Write all vaults into one file, each as it is at one moment, while the server
runs. The file holds ciphertext and public keys; the server's own key is not in it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(ctx context.Context, d depot.Depot) error { return c.backup(ctx, d, args[0]) })
		},
	}
}

// backup writes beside path and renames: a file by that name is whole.
func (c *cli) backup(ctx context.Context, d depot.Depot, path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	defer os.Remove(f.Name()) // it is gone when all went well
	n, err := archive.Write(ctx, d, f)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("write backup: %w", err)
	}
	fmt.Fprintf(c.out, "%d vaults written to %s\n", n, path)
	return nil
}

func (c *cli) restoreCmd() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Read vaults from a backup", Args: cobra.ExactArgs(1),
		Long: `Read the vaults of a backup into a database, SQLite or PostgreSQL, that does not
hold them. Devices that have seen a later state than the backup's say so and
refuse it, until their user decides.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(ctx context.Context, d depot.Depot) error { return c.restore(ctx, d, args[0]) })
		},
	}
}

func (c *cli) restore(ctx context.Context, d depot.Depot, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read backup: %w", err)
	}
	defer f.Close()
	if _, err := archive.Check(f); err != nil {
		return fmt.Errorf("read backup %s: %w", path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read backup %s: %w", path, err)
	}
	n, err := archive.Read(ctx, d, f)
	if errors.Is(err, blob.ErrConflict) {
		return hint(fmt.Errorf("read backup %s: %w", path, err), "restore into an empty database: --data FOLDER or --database URL (%d vaults were read)", n)
	} else if err != nil {
		return fmt.Errorf("read backup %s: %w", path, err)
	}
	fmt.Fprintf(c.out, "%d vaults read from %s\n", n, path)
	return nil
}

func (c *cli) removeCmd() *cobra.Command {
	return &cobra.Command{
		Use: "remove VAULT", Short: "Remove a vault and all that is kept of it", Args: cobra.ExactArgs(1),
		Long: `Remove a vault, by its id, and all that is kept of it: on its owner's wish, or
so that a device which knows a later state can push it again after the server
was restored from an old backup. It cannot be undone; make a backup first.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := hex.DecodeString(args[0])
			if err != nil || len(id) != len(depot.Vault{}) {
				return hint(errors.New("remove vault: not an id"), `32 hex digits; "ov vault status" shows it`)
			}
			return c.with(cmd.Context(), func(ctx context.Context, d depot.Depot) error {
				if err := d.Remove(ctx, depot.Vault(id)); errors.Is(err, blob.ErrEmpty) {
					return errors.New("remove vault: not here")
				} else if err != nil {
					return err
				}
				fmt.Fprintln(c.out, "removed")
				return nil
			})
		},
	}
}

func (c *cli) gcCmd() *cobra.Command {
	return &cobra.Command{
		Use: "gc", Short: "Remove what nobody can ask for any more", Args: cobra.NoArgs,
		Long: `Remove answers to commits that are two days old, manifests beyond the newest
1,000 and 90 days, or beyond the newest 10,000, expired parts and requests. A
running server does so hourly.
Records are removed by their vault's own signed commits alone.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(ctx context.Context, d depot.Depot) error {
				got, err := d.Collect(ctx, retention(time.Now()))
				if err == nil {
					fmt.Fprintf(c.out, "removed %d answers, %d manifests, %d notes\n", got.Answers, got.Manifests, got.Notes)
				}
				return err
			})
		},
	}
}

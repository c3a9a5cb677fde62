package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/agent"
)

// The verbs of this file need the master password afresh, unlocked or not.

func (c *cli) passwdCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "passwd", Short: "Change the master password", Args: noArgs,
		Long: `Changes the master password. Who kept a copy of the vault and knows the old one can still open that copy: after a
compromise, "ov vault rotate" makes new keys.`,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if err := client.Passwd(cmd.Context(), fromFile(file)); err != nil {
				return err
			}
			c.say("the master password is changed")
			return nil
		})}
	cmd.Flags().StringVar(&file, "new-password-file", "", "read the new password from a `FILE` instead of the terminal")
	return cmd
}

// fromFile is a password out of a file, or typed on the terminal.
func fromFile(path string) agent.Password {
	if path == "" {
		return agent.Password{}
	}
	return agent.FromFile(path)
}

func (c *cli) rotateCmd() *cobra.Command {
	return &cobra.Command{Use: "rotate", Short: "Make new keys and seal everything anew under them", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if err := client.Rotate(cmd.Context()); err != nil {
				return err
			}
			c.say("everything is sealed under new keys")
			return nil
		})}
}

func (c *cli) kitCmd() *cobra.Command {
	var path string
	cmd := &cobra.Command{Use: "kit", Short: "Show the recovery kit again", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			return c.newFile(path, "recovery kit", func(f *os.File) error {
				if path == "" {
					f = nil // the terminal
				}
				return client.Kit(cmd.Context(), f)
			})
		})}
	cmd.Flags().StringVar(&path, "kit", "", "write it to a new `FILE`, mode 0600, instead of the terminal")
	return cmd
}

// newFile has write fill a new file at path, and removes it when that fails.
// Without a path it hands over stdout.
func (c *cli) newFile(path, what string, write func(*os.File) error) error {
	if path == "" {
		return write(c.out)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func (c *cli) backupCmd() *cobra.Command {
	var to []string
	var passphrase string
	cmd := &cobra.Command{Use: "backup FILE", Short: "Write the whole vault, as ciphertext, into one age file", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				err := c.newFile(args[0], "backup", func(f *os.File) error {
					return client.Backup(cmd.Context(), agent.BackupRequest{Out: f, Recipients: to, Passphrase: fromFile(passphrase)})
				})
				if err == nil {
					c.say("wrote %s; to open it on another machine you need the recovery kit as well", args[0])
				}
				return err
			})(cmd, nil)
		}}
	cmd.Flags().StringArrayVar(&to, "recipient", nil, "an age recipient (`age1...`) who can open it; can be given several times")
	cmd.Flags().StringVar(&passphrase, "passphrase-file", "", "read the backup's passphrase from a `FILE` instead of the terminal")
	return cmd
}

func (c *cli) vaultRestoreCmd() *cobra.Command {
	var identity, passphrase string
	cmd := &cobra.Command{Use: "restore FILE", Short: "Check a backup whole and put it in the place of the vault", Args: nArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
				r := agent.RestoreRequest{Passphrase: fromFile(passphrase)}
				var err error
				if r.In, err = os.Open(args[0]); err != nil {
					return fmt.Errorf("read backup: %w", err)
				}
				defer r.In.Close()
				if identity != "" {
					if r.Identity, err = os.Open(identity); err != nil {
						return fmt.Errorf("read identity: %w", err)
					}
					defer r.Identity.Close()
				}
				report, err := client.RestoreBackup(cmd.Context(), r)
				if err == nil {
					c.say("restored %s", plural(report.Secrets, "secret"))
				}
				return err
			})(cmd, nil)
		}}
	cmd.Flags().StringVar(&identity, "identity", "", "an age identity `FILE` that opens it")
	cmd.Flags().StringVar(&passphrase, "passphrase-file", "", "read the backup's passphrase from a `FILE` instead of the terminal")
	return cmd
}

func (c *cli) destroyCmd() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{Use: "destroy", Short: "Remove the vault from this machine; it cannot be undone", Args: noArgs,
		RunE: c.withVault(func(cmd *cobra.Command, client *agent.Client) error {
			if err := c.sure(yes, cmd, "Every secret of this vault will be gone. Destroy it?"); err != nil {
				return err
			}
			if err := client.Destroy(cmd.Context()); err != nil {
				return err
			}
			c.say("the vault is gone")
			return nil
		})}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

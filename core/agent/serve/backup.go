package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// opBackup writes the vault's ciphertext as an age file to the second
// descriptor.
func (s *Server) opBackup(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var b wire.BackupArgs
	if len(f.Files) < 2 {
		return answer{}, fmt.Errorf("backup: %w: nowhere to write it", agent.ErrUsage)
	}
	return s.freshOp(ctx, c, f, "vault_backup", &b, func(o *opened, _ secret.Value) error {
		to := seal.Lock{Recipients: b.Recipients}
		if len(b.Recipients) == 0 {
			p, err := s.passphrase(ctx, f, b.Passphrase, s.newPassword)
			if err != nil {
				return err
			}
			defer p.Wipe()
			to.Passphrase = p
		}
		if err := o.vault.Backup(ctx, f.Files[1], to); err != nil {
			return err
		}
		f.Files[1].Sync() // fails on a pipe, where there is nothing to sync
		return nil
	})
}

// passphrase gets the passphrase of a backup: from the third descriptor, or on
// the terminal that the password came from.
func (s *Server) passphrase(ctx context.Context, f *wire.Frame, kind string,
	ask func(context.Context, *os.File, agent.PasswordKind) (secret.Value, error)) (secret.Value, error) {
	if kind == "" {
		if _, err := newTerminal(f.Files[0]); err != nil {
			return secret.Value{}, &agent.Error{Err: agent.ErrUsage, Message: f.Op + ": no passphrase and no recipients"}
		}
		(terminal{f.Files[0]}).say("the backup has a passphrase of its own")
		return ask(ctx, f.Files[0], agent.PasswordTTY)
	}
	if len(f.Files) < 3 {
		return secret.Value{}, fmt.Errorf("%s: %w: no descriptor for the passphrase", f.Op, agent.ErrUsage)
	}
	return readPassword(ctx, f.Files[2])
}

// opRestoreBackup puts a backup in the place of the vault, in this order: read
// and check it whole, write it beside the vault, open every record of that,
// and only then let it take the vault's name. The old store is kept.
func (s *Server) opRestoreBackup(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var b wire.BackupArgs
	kind, err := passwordArgs(f, &b)
	if err != nil {
		return answer{}, err
	}
	if len(f.Files) < 2 {
		return answer{}, fmt.Errorf("restore: %w: no backup", agent.ErrUsage)
	}
	if r, err := readRemote(s.c.Home); err != nil || r != nil {
		return answer{}, errors.Join(err, &agent.Error{Err: agent.ErrUsage, Message: "restore: the vault of this home is on a server, which would refuse an older state",
			Advice: "restore it into another OV_HOME, and push that to the server if need be"})
	}
	from, err := s.backupKey(ctx, f, b)
	if err != nil {
		return answer{}, err
	}
	defer from.Passphrase.Wipe()
	defer from.Identities.Wipe()
	backup, err := vault.ReadBackup(f.Files[1], from)
	if err != nil {
		return answer{}, err
	}
	if err := os.MkdirAll(s.c.Home, 0o700); err != nil {
		return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "restore: " + err.Error()}
	}
	beside := s.storePath() + ".restoring"
	defer removeStore(beside)
	var report vault.Report
	use := func(p secret.Value) (err error) {
		report, err = s.tryBackup(ctx, c, backup, beside, f.Files[0], kind, p)
		return err
	}
	if err := s.askAny(ctx, f.Files[0], kind, "Master password of the backup: ", use); err != nil {
		return answer{}, err
	}
	s.shut()
	if err := s.replaceStore(beside); err != nil {
		return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "restore: " + err.Error()}
	}
	return answer{args: publicReport(report)}, nil
}

// backupKey is what opens the backup.
func (s *Server) backupKey(ctx context.Context, f *wire.Frame, b wire.BackupArgs) (seal.Unlock, error) {
	if b.Passphrase == wire.IdentityFile {
		if len(f.Files) < 3 {
			return seal.Unlock{}, fmt.Errorf("restore: %w: no descriptor for the identity", agent.ErrUsage)
		}
		id, err := readAll(ctx, f.Files[2], maxIdentity)
		return seal.Unlock{Identities: id}, err
	}
	p, err := s.passphrase(ctx, f, b.Passphrase, func(ctx context.Context, tty *os.File, _ agent.PasswordKind) (secret.Value, error) {
		return (terminal{tty}).secret(ctx, "Passphrase: ")
	})
	return seal.Unlock{Passphrase: p}, err
}

// tryBackup writes the backup to path and opens all of it.
func (s *Server) tryBackup(ctx context.Context, c *client, b *vault.Backup, path string, tty *os.File, kind agent.PasswordKind, p secret.Value) (vault.Report, error) {
	removeStore(path)
	store := s.c.Store(path)
	defer store.Close()
	if err := b.Write(ctx, store); err != nil {
		return vault.Report{}, err
	}
	s.fresh.Lock()
	defer s.fresh.Unlock()
	o := vault.Options{Alloc: s.freshMem.Alloc, AcceptRollback: true}
	v, err := vault.Unlock(ctx, store, s.c.Home, p, o)
	if errors.Is(err, vault.ErrNoVault) {
		v, err = s.recover(ctx, tty, kind, func(key secret.Value) (*vault.Vault, error) {
			return vault.Recover(ctx, store, s.c.Home, key, p, o)
		})
	}
	if err != nil {
		s.freshMem.Wipe()
		return vault.Report{}, err
	}
	opened, err := s.withLog(v, &place{Store: store}, &s.freshMem)
	if err != nil {
		return vault.Report{}, err
	}
	defer opened.close(false)
	report, err := v.Verify(ctx, func([]vault.Head) error { return opened.note(c.record("vault_restore", "", "CHECKED", "")) })
	if err == nil && len(report.Problems) > 0 {
		err = fmt.Errorf("restore: %s: %w", report.Problems[0], vault.ErrTampered)
	}
	return report, err
}

// recover asks for the Secret Key, which a machine without the vault's files
// does not have.
func (s *Server) recover(ctx context.Context, tty *os.File, kind agent.PasswordKind, open func(key secret.Value) (*vault.Vault, error)) (*vault.Vault, error) {
	if kind != agent.PasswordTTY {
		return nil, &agent.Error{Err: agent.ErrUsage, Message: "restore: this machine has no Secret Key of the vault, and there is no terminal to ask for it on"}
	}
	key, err := (terminal{tty}).secret(ctx, "Secret Key (OV1-...), from the recovery kit: ")
	if err != nil {
		return nil, err
	}
	defer key.Wipe()
	return open(key)
}

// replaceStore gives the store at path the vault's name. The old one is kept
// beside it.
func (s *Server) replaceStore(path string) error {
	old := s.storePath()
	kept := fmt.Sprintf("%s.before-restore-%d", old, s.c.Now().Unix())
	for _, suffix := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(old+suffix, kept+suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := os.Rename(path, old); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(old))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

func removeStore(path string) {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		os.Remove(path + suffix)
	}
}

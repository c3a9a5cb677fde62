package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// History describes the kept versions of a secret, the newest first.
func (c *Client) History(ctx context.Context, ref secret.Ref) ([]Info, error) {
	var infos []Info
	_, err := c.call(ctx, wire.OpHistory, ref, &infos)
	return infos, err
}

// A change is the argument of the verbs below.
type change struct {
	Ref  secret.Ref `json:"ref"`
	To   uint64     `json:"to,omitempty"`
	Name secret.Ref `json:"name,omitzero"`
	Tags []string   `json:"tags,omitempty"`
}

func (c *Client) change(ctx context.Context, op string, r change) (Info, error) {
	var info Info
	_, err := c.call(ctx, op, r, &info)
	return info, err
}

// Rollback makes an older version the newest one again.
func (c *Client) Rollback(ctx context.Context, ref secret.Ref, to uint64) (Info, error) {
	return c.change(ctx, wire.OpRollback, change{Ref: ref, To: to})
}

// Restore brings a deleted secret back.
func (c *Client) Restore(ctx context.Context, ref secret.Ref) (Info, error) {
	return c.change(ctx, wire.OpRestore, change{Ref: ref})
}

// Tag replaces the tags of a secret.
func (c *Client) Tag(ctx context.Context, ref secret.Ref, tags []string) (Info, error) {
	return c.change(ctx, wire.OpTag, change{Ref: ref, Tags: tags})
}

// Rename gives a secret another name, or another place.
func (c *Client) Rename(ctx context.Context, from, to secret.Ref) (Info, error) {
	return c.change(ctx, wire.OpRename, change{Ref: from, Name: to})
}

// AuditExposed lists the secrets that were released since a time, to one client
// or to any ("").
func (c *Client) AuditExposed(ctx context.Context, since time.Time, client string) ([]Exposure, error) {
	var out []Exposure
	_, err := c.call(ctx, wire.OpAuditExposed, map[string]any{"since": since, "client": client}, &out)
	return out, err
}

// An Exposure is one secret that was released since some time.
type Exposure struct {
	Name    string    `json:"name"` // app/environment/NAME, or its HMAC when the secret is gone
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
	Times   int       `json:"times"`
	Clients []string  `json:"clients"`
}

// The verbs below need the password afresh, whether or not the agent is
// unlocked: it comes from where Options say.

// fresh sends a request with the password's descriptor, and then more.
func (c *Client) fresh(ctx context.Context, op string, args any, more ...*os.File) (*wire.Frame, error) {
	if c.o.Password.Kind == PasswordMachine {
		return nil, notMachine()
	}
	if op != wire.OpRestoreBackup && !hasVault(c.o.Home) { // a backup makes one
		return nil, noVault(c.o.Home)
	}
	s, err := c.any(ctx)
	if err != nil {
		return nil, err
	}
	return c.withPassword(ctx, s, op, args, more...)
}

// notMachine says that a machine key is no password.
func notMachine() error {
	return &Error{Err: ErrDenied, Message: fmt.Sprintf("%v: this needs the master password, and there is a machine key", ErrDenied),
		Advice: "a machine key gives commands the secrets of one environment, and nothing else: unset OV_MACHINE_KEY_FILE"}
}

// Kit writes the recovery kit to out, or to the password's terminal when out is nil.
func (c *Client) Kit(ctx context.Context, out *os.File) error {
	_, err := c.fresh(ctx, wire.OpKit, nil, out)
	return err
}

// Passwd changes the password. The new one comes from next; when next is none
// it is typed on the old one's terminal.
func (c *Client) Passwd(ctx context.Context, next Password) error {
	f, err := next.openOr(ctx)
	if err != nil {
		return err
	}
	defer closeFile(f)
	_, err = c.fresh(ctx, wire.OpPasswd, wire.PasswordArgs{Password: string(next.Kind)}, f)
	return err
}

// Rotate makes new keys and seals everything anew under them: the answer to a
// compromise, which Passwd is not.
func (c *Client) Rotate(ctx context.Context) error {
	s, err := c.any(ctx)
	if err != nil {
		return err
	}
	f, err := c.withPassword(ctx, s, wire.OpRotate, nil)
	if err != nil {
		return err
	}
	s.shut(f)
	c.mu.Lock()
	s.hello.Locked = true
	c.mu.Unlock()
	return nil
}

// Forget takes the password out of the operating system's keyring.
func (c *Client) Forget(ctx context.Context) error {
	s, err := c.any(ctx)
	if err != nil {
		return err
	}
	_, err = s.do(ctx, wire.OpForget, nil, nil, nil)
	return err
}

// Destroy removes the vault from this machine. It cannot be undone.
func (c *Client) Destroy(ctx context.Context) error {
	_, err := c.fresh(ctx, wire.OpDestroy, nil)
	return err
}

// A BackupRequest says where a backup goes and who can open it: the holders of
// the recipients' age identities, or, without recipients, who knows Passphrase
// (none: it is typed on the password's terminal).
type BackupRequest struct {
	Out        *os.File
	Recipients []string
	Passphrase Password
}

// Backup writes the whole vault, as ciphertext, into an age file.
func (c *Client) Backup(ctx context.Context, r BackupRequest) error {
	f, err := r.Passphrase.openOr(ctx)
	if err != nil {
		return err
	}
	defer closeFile(f)
	_, err = c.fresh(ctx, wire.OpBackup, wire.BackupArgs{Recipients: r.Recipients, Passphrase: string(r.Passphrase.Kind)}, r.Out, f)
	return err
}

// A RestoreRequest says how a backup is opened: with an age identity file, or
// with a passphrase (none: it is typed on the password's terminal). On a
// machine without the vault's files the Secret Key of the recovery kit is
// asked for as well, on the terminal.
type RestoreRequest struct {
	In         *os.File
	Identity   *os.File
	Passphrase Password
}

// RestoreBackup checks a backup whole and puts it in the place of the vault.
func (c *Client) RestoreBackup(ctx context.Context, r RestoreRequest) (Report, error) {
	var report Report
	f, kind := r.Identity, wire.IdentityFile
	if f == nil {
		opened, err := r.Passphrase.openOr(ctx)
		if err != nil {
			return report, err
		}
		defer closeFile(opened)
		f, kind = opened, string(r.Passphrase.Kind)
	}
	answer, err := c.fresh(ctx, wire.OpRestoreBackup, wire.BackupArgs{Passphrase: kind}, r.In, f)
	if err == nil {
		err = json.Unmarshal(answer.Args, &report)
	}
	return report, err
}

// openOr opens the descriptor of p, or none.
func (p Password) openOr(ctx context.Context) (*os.File, error) {
	if p.Kind == PasswordNone {
		return nil, nil
	}
	return p.Open(ctx)
}

func closeFile(f *os.File) {
	if f != nil {
		f.Close()
	}
}

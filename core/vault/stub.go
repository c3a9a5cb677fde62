package vault

import (
	"context"
	"errors"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/secret"
)

// A Vault is unlocked: it holds the keys until Close.
type Vault struct{}

// A Kit is what the person keeps on paper: it and the password open the vault
// on another machine.
type Kit struct {
	Vault string       // the vault's id, hex
	Key   secret.Value // the Secret Key, in groups to type
}

// Text returns the whole recovery kit, ready to print.
func (k Kit) Text() secret.Value { return secret.Value{} }

// Options are what Create and Unlock may be told.
type Options struct {
	// Alloc returns n zeroed bytes for keys (locked, secret memory); nil: the
	// heap. Close zeroes them.
	Alloc func(n int) []byte
	// AcceptRollback takes the store as it is, older or forked.
	AcceptRollback bool
}

// Create makes a vault in st and its device file in dir.
func Create(ctx context.Context, st blob.Store, dir string, password secret.Value, o Options) (*Vault, Kit, error) {
	return nil, Kit{}, errors.ErrUnsupported
}

// Unlock opens the vault in st. ErrPassword is the one error for every cause.
func Unlock(ctx context.Context, st blob.Store, dir string, password secret.Value, o Options) (*Vault, error) {
	return nil, errors.ErrUnsupported
}

// Put stores value as a new version of ref.
func (v *Vault) Put(ctx context.Context, ref secret.Ref, value secret.Value, p PutOptions) (Info, error) {
	return Info{}, errors.ErrUnsupported
}

// Open returns the newest values of refs, all or nothing.
func (v *Vault) Open(ctx context.Context, refs []secret.Ref, before Before) ([]Opened, error) {
	return nil, errors.ErrUnsupported
}

// OpenSpace returns every secret of app/env, all or nothing.
func (v *Vault) OpenSpace(ctx context.Context, app, env string, before Before) ([]Opened, error) {
	return nil, errors.ErrUnsupported
}

// Names returns the references of app/env that are not deleted, sorted. No DEK
// is unwrapped for it.
func (v *Vault) Names(ctx context.Context, app, env string) ([]Head, error) {
	return nil, errors.ErrUnsupported
}

// List describes the secrets of app/env whose names start with prefix.
func (v *Vault) List(ctx context.Context, app, env, prefix string, before Before) ([]Info, error) {
	return nil, errors.ErrUnsupported
}

// Info describes one secret.
func (v *Vault) Info(ctx context.Context, ref secret.Ref, before Before) (Info, error) {
	return Info{}, errors.ErrUnsupported
}

// Delete hides ref behind a tombstone; Restore brings it back.
func (v *Vault) Delete(ctx context.Context, ref secret.Ref) error { return errors.ErrUnsupported }

// Spaces returns every app/environment, sorted.
func (v *Vault) Spaces(ctx context.Context) ([]Space, error) { return nil, errors.ErrUnsupported }

// A Report is the answer of Verify.
type Report struct {
	Records  int // stored versions
	Readable int // of these, opened and checked
	Secrets  int // names, deleted ones not counted
	Seq      uint64
	Problems []string
}

// Verify opens and checks every stored version.
func (v *Vault) Verify(ctx context.Context, before Before) (Report, error) {
	return Report{}, errors.ErrUnsupported
}

// AuditKeys returns the keys of the audit log, the current one first.
func (v *Vault) AuditKeys() [][]byte { return nil }

// Derive returns 32 bytes for label, other ones for every label, and the same
// until the vault key is rotated.
func (v *Vault) Derive(label string) []byte { return nil }

// Device returns the hex id of this device.
func (v *Vault) Device() string { return "" }

// ID returns the vault's id, hex.
func (v *Vault) ID() string { return "" }

// Close zeroes the keys.
func (v *Vault) Close() error { return nil }

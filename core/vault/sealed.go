package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
)

// The sealed documents whose hashes the manifest covers.
const (
	Policy      = "policy"
	Catalog     = "catalog"
	ScannerLock = "scanner-lock"
	PIN         = "pin"
)

// auditKeys is the document of the audit log's keys of before a rotation.
const auditKeys = "audit-keys"

// maxSealed is the largest document, in bytes.
const maxSealed = 1 << 20

// PutSealed stores plain as the new content of the document name.
func (v *Vault) PutSealed(ctx context.Context, name string, plain []byte) error {
	if len(plain) > maxSealed {
		return fmt.Errorf("store %s: %d bytes, at most %d: %w", name, len(plain), maxSealed, ErrValue)
	}
	if name != Policy && name != Catalog && name != ScannerLock && name != PIN {
		return fmt.Errorf("store document %q: %w", name, ErrValue)
	}
	return v.write(ctx, func(t *tx) error {
		t.putBlob(v.keys.vk, name, plain)
		if name == Policy {
			t.copyPolicy(plain)
		}
		return nil
	})
}

// Sealed returns the content of the document name, or ErrNotFound.
func (v *Vault) Sealed(ctx context.Context, name string) ([]byte, error) {
	var plain []byte
	err := v.read(ctx, func() (err error) {
		if v.machine != nil {
			plain, err = v.machinePolicy(ctx, name)
		} else {
			plain, err = v.openBlob(ctx, name)
		}
		return err
	})
	return plain, err
}

func (v *Vault) openBlob(ctx context.Context, name string) ([]byte, error) {
	refs := v.state.manifest.Blobs
	i := slices.IndexFunc(refs, func(r seal.BlobRef) bool { return r.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("document %q: %w", name, ErrNotFound)
	}
	key := blob.Key{Kind: seal.KindBlob, ID: seal.BlobID(v.vault, name), Version: refs[i].Version}
	data, err := v.fetch(ctx, []blob.Key{key})
	if err != nil {
		return nil, err
	}
	plain, err := seal.OpenBlob(v.keys.vk, v.vault, name, refs[i].Version, data[0])
	if err != nil {
		return nil, openError(name, err)
	}
	return plain, nil
}

// openAudit derives the key of the audit log and opens those of before.
func (v *Vault) openAudit(ctx context.Context) error {
	if v.keys.audit != nil {
		return nil
	}
	v.keys.audit = [][]byte{v.keys.keep(seal.Subkey(v.keys.vk, "audit"))}
	if !slices.ContainsFunc(v.state.manifest.Blobs, func(r seal.BlobRef) bool { return r.Name == auditKeys }) {
		return nil
	}
	old, err := v.openBlob(ctx, auditKeys)
	if err != nil {
		return err
	}
	if len(old)%seal.KeySize != 0 {
		return fmt.Errorf("open audit keys: %w", ErrTampered)
	}
	for k := range slices.Chunk(old, seal.KeySize) {
		v.keys.audit = append(v.keys.audit, v.keys.keep(k))
	}
	return nil
}

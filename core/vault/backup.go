package vault

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
)

// backupMagic begins the content of a backup, inside its age encryption:
// then LP(manifest) and, until the end, records of
// kind[1] id[32] version[8] group[16] LP(data).
const backupMagic = "ov backup 1\n"

// maxField is the longest field of a backup that is read.
const maxField = 64 << 20

// Backup writes the whole vault, as ciphertext, into an age file for to. It
// needs neither password nor audit record: nothing is opened. To use it one
// needs the backup's key, and the vault's password and Secret Key.
func (v *Vault) Backup(ctx context.Context, w io.Writer, to seal.Lock) error {
	if v.machine != nil {
		return fmt.Errorf("back up vault: %w", ErrScope)
	}
	_ = v.settled(ctx) // without it the backup opens with the recovery kit alone: better than none, when the server is away
	err := v.read(ctx, func() error {
		enc, err := seal.EncryptBackup(w, to)
		if err != nil {
			return err
		}
		buf := bufio.NewWriterSize(enc, 1<<16)
		writeBackup(buf, v.state.head.Manifest)
		for k, e := range v.state.entries {
			data, err := v.fetch(ctx, []blob.Key{k})
			if err != nil {
				return err
			}
			writeRecord(buf, blob.Record{Key: k, Group: e.group, Data: data[0]})
		}
		return errors.Join(buf.Flush(), enc.Close())
	})
	if err != nil {
		return fmt.Errorf("back up vault: %w", err)
	}
	return nil
}

func writeBackup(w *bufio.Writer, manifest []byte) {
	w.WriteString(backupMagic)
	writeField(w, manifest)
}

func writeRecord(w *bufio.Writer, r blob.Record) {
	w.WriteByte(r.Kind)
	w.Write(r.ID[:])
	w.Write(binary.BigEndian.AppendUint64(nil, r.Version))
	w.Write(r.Group[:])
	writeField(w, r.Data)
}

// writeField's errors, like those of the others, stay in w until its Flush.
func writeField(w *bufio.Writer, b []byte) {
	w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
	w.Write(b)
}

// A Backup is a backup that was read and found whole.
type Backup struct {
	Vault   string // hex
	Seq     uint64
	Records int

	manifest []byte
	m        *seal.Manifest
	records  []blob.Record
}

// ReadBackup reads a backup and checks all of it against its own signed
// manifest. Nothing is written anywhere.
func ReadBackup(r io.Reader, from seal.Unlock) (*Backup, error) {
	plain, err := seal.DecryptBackup(r, from)
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	b, err := parseBackup(bufio.NewReaderSize(plain, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return b, nil
}

func parseBackup(r *bufio.Reader) (*Backup, error) {
	magic := make([]byte, len(backupMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != backupMagic {
		return nil, fmt.Errorf("not a backup of ov: %w", ErrCorrupt)
	}
	b := &Backup{}
	var err error
	if b.manifest, err = readField(r); err != nil {
		return nil, err
	}
	if b.m, err = seal.ParseManifest(b.manifest); err != nil {
		return nil, manifestError(err)
	}
	leaves := manifest.Leaves{}
	for {
		rec, err := readRecord(r)
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		rec.Sum = seal.Sum(rec.Data)
		leaves.Add(rec.Group, entry{group: rec.Group, sum: rec.Sum}.leaf(rec.Key))
		b.records = append(b.records, rec)
	}
	if forest, ok := manifest.NewForest(leaves); !ok || !forest.Is(b.m) {
		return nil, fmt.Errorf("check records against the manifest: %w", ErrTampered)
	}
	b.Vault, b.Seq, b.Records = fmt.Sprintf("%x", b.m.Vault), b.m.Seq, len(b.records)
	return b, nil
}

// readRecord returns io.EOF only between two records.
func readRecord(r *bufio.Reader) (rec blob.Record, err error) {
	if rec.Kind, err = r.ReadByte(); err != nil {
		if errors.Is(err, io.EOF) {
			return rec, io.EOF
		}
		return rec, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	fixed := make([]byte, 32+8+16)
	if _, err := io.ReadFull(r, fixed); err != nil {
		return rec, fmt.Errorf("it ends within a record: %w", ErrCorrupt)
	}
	copy(rec.ID[:], fixed)
	rec.Version = binary.BigEndian.Uint64(fixed[32:])
	copy(rec.Group[:], fixed[40:])
	rec.Data, err = readField(r)
	return rec, err
}

func readField(r *bufio.Reader) ([]byte, error) {
	var n [4]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return nil, fmt.Errorf("it ends within a record: %w", ErrCorrupt)
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > maxField {
		return nil, fmt.Errorf("a field of %d bytes: %w", size, ErrCorrupt)
	}
	var b bytes.Buffer // grows with what is there, not with what is claimed
	if _, err := io.CopyN(&b, r, int64(size)); err != nil {
		return nil, fmt.Errorf("it ends within a record: %w", ErrCorrupt)
	}
	return b.Bytes(), nil
}

// Write puts the backup into st, which must be empty. Unlock the result with
// AcceptRollback on a device of the vault, or with Recover elsewhere, before it
// takes the place of anything.
func (b *Backup) Write(ctx context.Context, st blob.Store) error {
	c := blob.Commit{Seq: b.m.Seq, Manifest: b.manifest, Put: b.records}
	if err := st.Commit(ctx, c); err != nil {
		return storeError("restore", err)
	}
	return nil
}

package mirror

import (
	"context"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/vault"
)

// Seed fills local, which must be empty, from remote: everything as of its
// head, and the manifests from commit from on. What it holds fits together
// then; whether it is the vault that was meant is for who unlocks it to find,
// from the first commit that this device remembers.
func Seed(ctx context.Context, local Local, remote blob.Store, from uint64) error {
	s := New(local, remote, Options{})
	var err error
	for range pullTries {
		if err = s.seed(ctx, from); !errors.Is(err, errMoved) {
			break
		}
	}
	return err
}

func (s *Store) seed(ctx context.Context, from uint64) error {
	head, err := s.remote.Head(ctx)
	if err != nil {
		return err
	}
	m, err := manifest.Parse(head.Manifest)
	if errors.Is(err, manifest.ErrVersion) {
		return fmt.Errorf("sync: %w", err)
	}
	if err != nil || m.Seq != head.Seq {
		return lie(vault.ErrTampered, "the manifest of commit %d", head.Seq)
	}
	p := &pulled{c: blob.Commit{Seq: head.Seq, Manifest: head.Manifest}, head: m}
	if from == 0 {
		from = head.Seq
	}
	if from > head.Seq {
		return lie(vault.ErrRollback, "the server is at commit %d, seen was %d", head.Seq, from)
	}
	list, err := s.manifests(ctx, from, head.Seq-1)
	if err != nil {
		return err
	}
	for i, data := range list {
		m, err := manifest.Parse(data)
		if err != nil || m.Seq != from+uint64(i) {
			return lie(vault.ErrTampered, "the manifest of commit %d", from+uint64(i))
		}
		p.chain = append(p.chain, m)
		p.between = append(p.between, blob.Head{Seq: m.Seq, Manifest: data})
	}
	p.chain = append(p.chain, m)
	if err := s.records(ctx, p); err != nil {
		return err
	}
	return s.local.Replay(ctx, p.c, p.between, p.came)
}

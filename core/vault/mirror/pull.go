package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/vault"
)

const (
	getChunk  = 4000 // records asked for at once: a store may ask in several requests
	manifests = 8    // requests for manifests at once
)

// take brings the copy to the remote store's head. In order: that head must grow
// out of the copy's, one signed commit at a time; what it says is stored must be
// what the copy then holds; every record must have its sum. Only then is it
// written, all at once.
func (s *Store) take(ctx context.Context, patience time.Duration) (behind uint64, err error) {
	head, err := s.remoteHead(ctx, patience)
	if err != nil && !errors.Is(err, blob.ErrEmpty) {
		return s.State().Behind, err
	}
	have, lerr := s.local.Head(ctx)
	if lerr != nil && !errors.Is(lerr, blob.ErrEmpty) {
		return 0, lerr
	}
	switch {
	case have.Seq == 0 && errors.Is(err, blob.ErrEmpty):
		return 0, blob.ErrEmpty
	case have.Seq == 0:
		return head.Seq, lie(vault.ErrNoVault, "nothing was seen of the vault before")
	case errors.Is(err, blob.ErrEmpty):
		return 0, lie(vault.ErrRollback, "the server has nothing, seen was commit %d", have.Seq)
	case head.Seq < have.Seq:
		return 0, lie(vault.ErrRollback, "the server is at commit %d, seen was %d", head.Seq, have.Seq)
	case head.Seq == have.Seq && !bytes.Equal(head.Manifest, have.Manifest):
		return 0, lie(vault.ErrFork, "commit %d is not the one that was seen", have.Seq)
	case head.Seq == have.Seq:
		return 0, nil
	}
	behind = head.Seq - have.Seq
	p := &pulled{c: blob.Commit{Base: have.Seq, Seq: head.Seq, Manifest: head.Manifest}}
	if err := s.chain(ctx, have, head, p); err != nil {
		return behind, err
	}
	if err := s.records(ctx, p); err != nil {
		return behind, err
	}
	err = s.local.Replay(ctx, p.c, p.between, p.came)
	if errors.Is(err, blob.ErrConflict) {
		err = nil // another process did the same, at the same time
	}
	if err != nil {
		return behind, err
	}
	return 0, nil
}

func (s *Store) remoteHead(ctx context.Context, patience time.Duration) (blob.Head, error) {
	if patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	return s.remote.Head(ctx)
}

// pulled is what is about to be taken over.
type pulled struct {
	c       blob.Commit
	between []blob.Head
	came    []uint64 // which commit put each record of c
	head    *manifest.Manifest
	chain   []*manifest.Manifest // from the copy's own to the head's
	purged  map[blob.Key]bool
}

// chain verifies the manifests from the copy's head to the remote one.
func (s *Store) chain(ctx context.Context, have, head blob.Head, p *pulled) error {
	list, err := s.manifests(ctx, have.Seq+1, head.Seq-1)
	if err != nil {
		return err
	}
	prevData := have.Manifest
	prev, err := manifest.Parse(prevData)
	if err != nil {
		return lie(vault.ErrTampered, "the copy's own manifest")
	}
	p.purged, p.chain = map[blob.Key]bool{}, []*manifest.Manifest{prev}
	for _, data := range append(list, head.Manifest) {
		m, err := manifest.Parse(data)
		if errors.Is(err, manifest.ErrVersion) {
			return fmt.Errorf("sync: commit %d: %w", prev.Seq+1, err)
		}
		if err != nil {
			return lie(vault.ErrTampered, "the manifest of commit %d", prev.Seq+1)
		}
		if !m.Follows(data, prev, prevData) {
			return lie(vault.ErrFork, "commit %d does not follow %d", m.Seq, prev.Seq)
		}
		p.c.Reset = p.c.Reset || m.Reset
		for _, k := range m.Purged {
			p.purged[blob.Key{Kind: k.Kind, ID: k.ID, Version: k.Version}] = true
		}
		if m.Seq < head.Seq {
			p.between = append(p.between, blob.Head{Seq: m.Seq, Manifest: data})
		}
		if m.Ahead(s.o.Now()) {
			return lie(vault.ErrTampered, "commit %d, of a member, is dated %s", m.Seq, time.UnixMilli(int64(m.Time)).UTC().Format(time.DateTime))
		}
		prev, prevData = m, data
		p.chain = append(p.chain, m)
	}
	if prev.Seq != head.Seq {
		return lie(vault.ErrTampered, "the head of commit %d says that it is %d", head.Seq, prev.Seq)
	}
	p.head = prev
	return nil
}

// manifests fetches those of commits from to to, several at a time.
func (s *Store) manifests(ctx context.Context, from, to uint64) ([][]byte, error) {
	if to < from {
		return nil, nil
	}
	if to-from >= blob.KeepManifests*2 {
		return nil, lie(vault.ErrTampered, "the server is %d commits ahead", to-from+1)
	}
	out := make([][]byte, to-from+1)
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	room := make(chan struct{}, manifests)
	for i := range out {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			out[i], errs[i] = s.remote.Manifest(ctx, from+uint64(i))
		})
	}
	wg.Wait()
	for i, err := range errs {
		if errors.Is(err, blob.ErrNotFound) {
			return nil, lie(vault.ErrFork, "commit %d, between the one that was seen and the newest, is not there", from+uint64(i))
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// records works out what the copy will hold, checks that against the manifest,
// and fetches what is new.
func (s *Store) records(ctx context.Context, p *pulled) error {
	have, err := s.local.Changes(ctx, 0)
	if err != nil {
		return err
	}
	leaves, held := manifest.Leaves{}, make(map[blob.Key]blob.Entry, len(have))
	var all []manifest.Entry
	add := func(e blob.Entry) {
		leaves.Add(e.Group, manifest.Leaf(e.Kind, e.Group, e.ID, e.Version, e.Sum))
		all = append(all, manifest.Entry{Kind: e.Kind, Env: e.Group, ID: e.ID, Version: e.Version, Sum: e.Sum, Seq: e.Seq})
	}
	for _, e := range have {
		switch {
		case p.c.Reset:
		case p.purged[e.Key]:
			p.c.Purge = append(p.c.Purge, e.Key)
		default:
			held[e.Key] = e
			add(e)
		}
	}
	changed, err := s.remote.Changes(ctx, p.c.Base)
	if err != nil {
		return err
	}
	fresh := changed[:0]
	for _, e := range changed {
		if e.Seq > p.c.Seq {
			continue // for the next look: whoever writes without a pause does not keep us from this one
		}
		if is, ok := held[e.Key]; !ok {
			add(e)
			fresh = append(fresh, e)
		} else if is.Group != e.Group || is.Sum != e.Sum {
			return lie(vault.ErrTampered, "record %x came a second time", e.ID[:4])
		} // else the vault was put on the server anew: it all counts as new there
	}
	forest, ok := manifest.NewForest(leaves)
	if !ok || !forest.Is(p.head) {
		return s.moved(ctx, p, lie(vault.ErrTampered, "what the server holds is not what commit %d says", p.c.Seq))
	}
	// What a device committed it has checked; what a member did is checked here.
	if p.head.Writer != nil && !manifest.AddAll(p.chain, all, nil) {
		return lie(vault.ErrTampered, "a member's commit, %d or before, did more than add versions of secrets", p.c.Seq)
	}
	return s.fetch(ctx, p, fresh)
}

// moved tells a store that went on while it was read from one that lies.
func (s *Store) moved(ctx context.Context, p *pulled, as error) error {
	if now, err := s.remote.Head(ctx); err == nil && now.Seq > p.c.Seq {
		return fmt.Errorf("sync: %w", errMoved)
	}
	return as
}

// errMoved says that the server went on while it was read: the next look sees it.
var errMoved = fmt.Errorf("the server moved on meanwhile: %w", blob.ErrConflict)

// fetch reads the records of changed.
func (s *Store) fetch(ctx context.Context, p *pulled, changed []blob.Entry) error {
	for at := 0; at < len(changed); at += getChunk {
		some := changed[at:min(at+getChunk, len(changed))]
		keys := make([]blob.Key, len(some))
		for i, e := range some {
			keys[i] = e.Key
		}
		recs, err := s.remote.Get(ctx, keys)
		if errors.Is(err, blob.ErrNotFound) {
			return s.moved(ctx, p, lie(vault.ErrTampered, "a record is missing"))
		} else if err != nil {
			return err
		}
		for i, r := range recs {
			e := some[i]
			if r.Key != e.Key || manifest.Sum(r.Data) != manifest.Hash(e.Sum) {
				return lie(vault.ErrTampered, "record %x was altered", e.ID[:4])
			}
			r.Group, r.Sum = e.Group, e.Sum
			p.c.Put = append(p.c.Put, r)
			p.came = append(p.came, min(e.Seq, p.c.Seq))
		}
	}
	return nil
}

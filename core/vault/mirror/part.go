package mirror

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/vault"
)

// A Part is a remote store that shows somebody one environment of a vault, and a
// copy of that beside it, for when the remote store cannot be reached. Unlike a
// Store it verifies nothing: whoever opens the environment holds all of it against
// a signed manifest each time, from wherever it comes. Save keeps what was held.
type Part struct {
	local  Local
	remote blob.Store
	group  manifest.EnvID
	o      Options

	mu      sync.Mutex
	away    bool // the remote store could not be reached when it was asked last
	tried   time.Time
	contact time.Time
}

// NewPart returns the environment group of remote with its copy in local. Of o,
// Offline, Retry, Patience, Stamp and Now count.
func NewPart(local Local, remote blob.Store, group manifest.EnvID, o Options) *Part {
	s := New(local, remote, o) // for what o leaves out
	return &Part{local: local, remote: remote, group: group, o: s.o, contact: s.state.Contact}
}

// Away reports whether the copy is read, and as of when.
func (p *Part) Away() (contact time.Time, away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contact, p.away
}

// resting reports whether the remote store is left alone for now.
func (p *Part) resting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := p.o.Now().Sub(p.tried)
	return p.away && since >= 0 && since < p.o.Retry
}

func (p *Part) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away = err != nil && p.o.Offline(err); p.away {
		p.tried = p.o.Now()
	} else if err == nil {
		p.contact = p.o.Now()
		stamp(p.o.Stamp, p.contact)
	}
}

// Head implements blob.Store: the remote store's, or that of the copy while the
// other cannot be reached.
func (p *Part) Head(ctx context.Context) (blob.Head, error) {
	copied, none := p.local.Head(ctx)
	if none == nil && p.resting() {
		return copied, nil
	}
	asking := ctx
	if none == nil {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(ctx, p.o.Patience)
		defer cancel()
	}
	h, err := p.remote.Head(asking)
	p.note(err)
	if err != nil && p.o.Offline(err) && none == nil {
		return copied, nil
	}
	return h, err
}

// from is the store that the last head is of.
func (p *Part) from() blob.Store {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		return p.local
	}
	return p.remote
}

// Changes implements blob.Store.
func (p *Part) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	return p.from().Changes(ctx, since)
}

// Get implements blob.Store.
func (p *Part) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	return p.from().Get(ctx, keys)
}

// Manifest implements blob.Store.
func (p *Part) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	return p.from().Manifest(ctx, seq)
}

// Commit implements blob.Store: there is no writing to the copy.
func (p *Part) Commit(ctx context.Context, c blob.Commit) error {
	err := p.remote.Commit(ctx, c)
	if err != nil && p.o.Offline(err) {
		p.note(err)
	}
	return err
}

// Close implements blob.Store.
func (p *Part) Close() error { return errors.Join(p.remote.Close(), p.local.Close()) }

// Save brings the copy up to commit seq, which has just been opened. When the
// remote store has moved on it waits for the next one.
func (p *Part) Save(ctx context.Context, seq uint64) error {
	if _, away := p.Away(); away {
		return nil
	}
	have, err := p.local.Head(ctx)
	if err != nil && !errors.Is(err, blob.ErrEmpty) || have.Seq >= seq {
		return err
	}
	head, err := p.remote.Head(ctx)
	if err != nil || head.Seq != seq {
		return p.unless(err)
	}
	c := blob.Commit{Base: have.Seq, Seq: seq, Manifest: head.Manifest}
	added, err := p.changed(ctx, &c)
	if err != nil {
		return p.unless(err)
	}
	came := make([]uint64, 0, len(added))
	for at := 0; at < len(added); at += getChunk {
		some := added[at:min(at+getChunk, len(added))]
		recs, err := p.records(ctx, some)
		if err != nil {
			return p.unless(err)
		}
		for i, r := range recs {
			c.Put, came = append(c.Put, r), append(came, some[i].Seq)
		}
	}
	err = p.local.Replay(ctx, c, nil, came)
	if errors.Is(err, blob.ErrConflict) {
		err = nil // another process did the same
	}
	return err
}

// unless is err, but for that of a store which cannot be reached: the copy is as
// old as it was then.
func (p *Part) unless(err error) error {
	if err != nil && (p.o.Offline(err) || errors.Is(err, blob.ErrNotFound)) {
		return nil
	}
	return err
}

// changed lists what is new of the environment, and adds what is gone to c.
func (p *Part) changed(ctx context.Context, c *blob.Commit) ([]blob.Entry, error) {
	there, err := p.remote.Changes(ctx, 0)
	if err != nil {
		return nil, err
	}
	have, err := p.local.Changes(ctx, 0)
	if err != nil && !errors.Is(err, blob.ErrEmpty) {
		return nil, err
	}
	held := map[blob.Key]bool{}
	for _, e := range have {
		held[e.Key] = true
	}
	var added []blob.Entry
	for _, e := range there {
		if e.Group != p.group && e.Kind != manifest.KindPrincipal || e.Seq > c.Seq { // of another, or come since
			continue
		}
		if !held[e.Key] {
			added = append(added, e)
		}
		delete(held, e.Key)
	}
	for k := range held {
		c.Purge = append(c.Purge, k)
	}
	return added, nil
}

// records fetches those of entries.
func (p *Part) records(ctx context.Context, entries []blob.Entry) ([]blob.Record, error) {
	keys := make([]blob.Key, len(entries))
	for i, e := range entries {
		keys[i] = e.Key
	}
	recs, err := p.remote.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i := range recs {
		e := entries[i]
		if recs[i].Key != e.Key || manifest.Sum(recs[i].Data) != manifest.Hash(e.Sum) {
			return nil, fmt.Errorf("copy record %x: %w", e.ID[:4], vault.ErrTampered)
		}
		recs[i].Group, recs[i].Sum = e.Group, e.Sum
	}
	return recs, nil
}

package servertest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
)

// A Signed is a blob.Store that takes commits with any manifest and any sums,
// as blobtest makes them, and gives them to a store that takes only what a
// vault would write: the manifest that it was given travels as a name in a
// signed one, a sum in front of its data. Numbers of commits may jump here and
// do not below.
type Signed struct {
	Store  blob.Store
	Vault  manifest.VaultID
	Device *Device

	mu   sync.Mutex
	seqs map[uint64]uint64 // the number that was asked for, by the one below
}

var _ blob.Store = (*Signed)(nil)

// NewSigned returns a Signed over st.
func NewSigned(st blob.Store, vault manifest.VaultID, d *Device) *Signed {
	return &Signed{Store: st, Vault: vault, Device: d, seqs: map[uint64]uint64{}}
}

// inner is the manifest that travels in m, and its number.
func inner(m *manifest.Manifest) (uint64, []byte, error) {
	if len(m.Blobs) != 1 {
		return 0, nil, errors.New("not a manifest of a Signed")
	}
	return m.Blobs[0].Version, []byte(m.Blobs[0].Name), nil
}

// Head implements blob.Store.
func (s *Signed) Head(ctx context.Context) (blob.Head, error) {
	_, m, err := s.head(ctx)
	if err != nil {
		return blob.Head{}, err
	}
	seq, body, err := inner(m)
	return blob.Head{Seq: seq, Manifest: body}, err
}

func (s *Signed) head(ctx context.Context) (blob.Head, *manifest.Manifest, error) {
	h, err := s.Store.Head(ctx)
	if err != nil {
		return h, nil, err
	}
	m, err := manifest.Parse(h.Manifest)
	return h, m, err
}

// at returns the number of the commit below.
func (s *Signed) at(ctx context.Context, seq uint64) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if below, ok := s.seqs[seq]; ok {
		return below, nil
	}
	h, err := s.Store.Head(ctx)
	if err != nil {
		return 0, err
	}
	for below := h.Seq; below > 0; below-- {
		data, err := s.Store.Manifest(ctx, below)
		if err != nil {
			return 0, err
		}
		m, err := manifest.Parse(data)
		if err != nil {
			return 0, err
		}
		asked, _, err := inner(m)
		if err != nil {
			return 0, err
		}
		if s.seqs[asked] = below; asked <= seq {
			return below, nil
		}
	}
	return 0, nil
}

// Changes implements blob.Store.
func (s *Signed) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	below, err := s.at(ctx, since)
	if err != nil && !errors.Is(err, blob.ErrEmpty) {
		return nil, err
	}
	entries, err := s.Store.Changes(ctx, below)
	if err != nil {
		return nil, err
	}
	keys := make([]blob.Key, len(entries))
	for i := range entries {
		keys[i] = entries[i].Key
	}
	recs, err := s.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		entries[i].Sum = recs[i].Sum
	}
	return entries, nil
}

// Get implements blob.Store.
func (s *Signed) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	recs, err := s.Store.Get(ctx, keys)
	if err != nil {
		return nil, err
	}
	for i := range recs {
		if manifest.Sum(recs[i].Data) != manifest.Hash(recs[i].Sum) {
			return nil, fmt.Errorf("record %d: %w", i, blob.ErrCorrupt)
		}
		r := lp.NewReader(recs[i].Data)
		r.Fixed(recs[i].Sum[:])
		recs[i].Data = r.Field()
		if !r.Done() {
			return nil, fmt.Errorf("record %d: %w", i, blob.ErrCorrupt)
		}
	}
	return recs, nil
}

// Manifest implements blob.Store.
func (s *Signed) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	below, err := s.at(ctx, seq)
	if err != nil {
		return nil, err
	}
	data, err := s.Store.Manifest(ctx, below)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(data)
	if err != nil {
		return nil, err
	}
	asked, body, err := inner(m)
	if err == nil && asked != seq {
		err = blob.ErrNotFound
	}
	return body, err
}

// Commit implements blob.Store.
func (s *Signed) Commit(ctx context.Context, c blob.Commit) error {
	if c.Seq <= c.Base || len(c.Manifest) == 0 {
		return s.Store.Commit(ctx, c)
	}
	below, err := s.Wrap(ctx, c)
	if err != nil {
		return err
	}
	return s.Store.Commit(ctx, below)
}

// Wrap returns the commit below that c becomes. One on a base that was never
// there becomes one that is a conflict below.
func (s *Signed) Wrap(ctx context.Context, c blob.Commit) (blob.Commit, error) {
	m := &manifest.Manifest{
		Vault: s.Vault, Seq: 1, Devices: []manifest.Device{s.Device.Listed()}, Signer: s.Device.ID, Floor: 1,
		Blobs: []manifest.BlobRef{{Name: string(c.Manifest), Version: c.Seq}}, Reset: c.Reset, Time: uint64(time.Now().UnixMilli()),
	}
	rand.Read(m.EnvKeys[:]) // in place of a root over the records: no two manifests are the same
	out := blob.Commit{Seq: 1, Purge: c.Purge, Reset: c.Reset}
	if c.Base > 0 {
		below, err := s.at(ctx, c.Base)
		if err != nil && !errors.Is(err, blob.ErrEmpty) {
			return out, err
		}
		data, err := s.Store.Manifest(ctx, below)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return out, err
		}
		if prev, err := manifest.Parse(data); err == nil {
			if asked, _, _ := inner(prev); asked != c.Base {
				below += 1000
			}
			m.Count, m.Devices = prev.Count, prev.Devices
		} else {
			below = 1000
		}
		out.Base, out.Seq, m.Seq, m.Prev = below, below+1, below+1, manifest.Chain(data)
	}
	if c.Reset {
		m.Count = 0
	}
	m.Count += uint64(len(c.Put)) - uint64(len(c.Purge))
	if m.Count > 0 {
		m.Groups = []manifest.Group{{Count: m.Count}} // a server cannot see whose they are
	}
	m.Root, m.Count = manifest.RootOf(m.Groups)
	for _, k := range c.Purge {
		m.Purged = append(m.Purged, manifest.Purged{Kind: k.Kind, ID: k.ID, Version: k.Version})
	}
	for _, r := range c.Put {
		out.Put = append(out.Put, wrap(r))
	}
	out.Manifest = m.Encode(ed25519.Sign(s.Device.Private, m.Body()), nil)
	return out, nil
}

// Close implements blob.Store.
func (s *Signed) Close() error { return s.Store.Close() }

// On returns the commit of records on h, which the server's head may have left.
func (s *Signed) On(h blob.Head, put ...blob.Record) (blob.Commit, error) {
	m, err := manifest.Parse(h.Manifest)
	if err != nil {
		return blob.Commit{}, err
	}
	rand.Read(m.EnvKeys[:])
	m.Prev, m.Seq, m.Signer, m.Purged, m.Reset = manifest.Chain(h.Manifest), h.Seq+1, s.Device.ID, nil, false
	out := blob.Commit{Base: h.Seq, Seq: m.Seq}
	for _, r := range put {
		out.Put = append(out.Put, wrap(r))
	}
	m.Count += uint64(len(put))
	m.Groups = nil
	if m.Count > 0 {
		m.Groups = []manifest.Group{{Count: m.Count}}
	}
	m.Root, _ = manifest.RootOf(m.Groups)
	out.Manifest = m.Encode(ed25519.Sign(s.Device.Private, m.Body()), nil)
	return out, nil
}

// wrap puts a record's sum in front of its data.
func wrap(r blob.Record) blob.Record {
	r.Data = lp.Join(r.Sum[:], r.Data)
	r.Sum = manifest.Sum(r.Data)
	return r
}

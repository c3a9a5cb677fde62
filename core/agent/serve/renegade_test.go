package serve

import (
	"crypto/ed25519"
	"slices"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A renegade signs manifests with a member's own keys, and has the server store
// them beside its checks.
type renegade struct {
	key    *seal.MachineKey
	holder *seal.Holder
	env    *seal.EnvKey
	record []byte
}

func newRenegade(t *testing.T, r *rig, img *depot.Image) *renegade {
	t.Helper()
	m := &renegade{key: keyOf(t, r)}
	var err error
	if m.holder, err = seal.NewHolder(m.key.Seed); err != nil {
		t.Fatal(err)
	}
	p := m.holder.Principal()
	for _, r := range img.Records {
		switch {
		case r.Kind == manifest.KindPrincipal && r.ID == p.ID():
			m.record = r.Data
		case r.Kind == manifest.KindWrap && r.ID == seal.WrapID(m.key.Vault, m.key.Env, p.ID()):
			if k, err := m.holder.OpenWrap(m.key.Vault, m.key.Env, uint32(r.Version), r.Data); err == nil {
				m.env = k
			}
		}
	}
	if m.env == nil || m.record == nil {
		t.Fatal("the member's record or key is not there")
	}
	return m
}

// version seals a value as the member may.
func (m *renegade) version(name, value string, n uint64) blob.Record {
	id := m.env.RecordID(name)
	meta := seal.Meta{Ref: secret.Ref{App: m.key.App, Env: m.key.EnvName, Name: name}, Created: 1, Time: 1, Size: uint32(len(value))}
	return m.put(manifest.KindSecret, id, n, seal.SealRecord(m.env, m.env.Place(id, n), meta, []byte(value)))
}

func (m *renegade) put(kind uint8, id seal.ID, version uint64, data []byte) blob.Record {
	return blob.Record{Key: blob.Key{Kind: kind, ID: id, Version: version}, Group: m.key.Env, Sum: seal.Sum(data), Data: data}
}

// A betrayal is one commit of a renegade's.
type betrayal struct {
	put  []blob.Record
	drop func(depot.Stored) bool
	edit func(*manifest.Manifest) // before it is signed
}

// commit returns the image with b on top, signed by the member and whole: its
// roots are those of what is stored.
func (m *renegade) commit(t *testing.T, img *depot.Image, b betrayal) *depot.Image {
	t.Helper()
	last := slices.MaxFunc(img.Manifests, func(a, b depot.Manifest) int { return int(a.Seq) - int(b.Seq) })
	prev, err := manifest.Parse(last.Body)
	if err != nil {
		t.Fatal(err)
	}
	out := *img
	out.Records, out.Manifests = slices.Clone(img.Records), slices.Clone(img.Manifests)
	if b.drop != nil {
		out.Records = slices.DeleteFunc(out.Records, b.drop)
	}
	next := prev.Next()
	next.Seq, next.Prev, next.Time = prev.Seq+1, manifest.Chain(last.Body), max(uint64(time.Now().UnixMilli()), prev.Time)
	p := m.holder.Principal()
	next.Signer = p.DeviceID()
	for _, r := range b.put {
		out.Records = append(out.Records, depot.Stored{Record: r, Seq: next.Seq})
	}
	leaves := manifest.Leaves{}
	for _, r := range out.Records {
		leaves.Add(r.Group, manifest.Leaf(r.Kind, r.Group, r.ID, r.Version, r.Sum))
	}
	forest, ok := manifest.NewForest(leaves)
	if !ok {
		t.Fatal("a record twice")
	}
	next.Groups = forest.Groups()
	if b.edit != nil {
		b.edit(&next)
	}
	next.Root, next.Count = manifest.RootOf(next.Groups)
	body := next.Encode(ed25519.Sign(m.holder.Sign, next.Body()), m.record)
	out.Manifests = append(out.Manifests, depot.Manifest{Seq: next.Seq, Body: body, Time: time.Now()})
	out.Head = depot.Head{Seq: next.Seq, Chain: manifest.Chain(body)}
	return &out
}

// asPrincipal signs requests with a member's key.
type asPrincipal struct{ m *renegade }

func (a asPrincipal) Key() channel.KeyID {
	p := a.m.holder.Principal()
	return channel.KeyID{Role: channel.RolePrincipal, ID: p.ID()}
}

func (a asPrincipal) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(a.m.holder.Sign, message), nil
}

// send is a commit of the image's last manifest, to an honest server.
func (m *renegade) send(t *testing.T, c *circle, img *depot.Image, put []blob.Record) error {
	t.Helper()
	st, err := httpblob.New(c.srv.Options(c.vault, asPrincipal{m}))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	last := img.Manifests[len(img.Manifests)-1]
	return st.Commit(t.Context(), blob.Commit{Base: last.Seq - 1, Seq: last.Seq, Manifest: last.Body, Put: put})
}

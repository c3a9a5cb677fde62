// Package evil is a server that lies. It is the real handler, with its real
// checks of what comes in, over a depot that changes what goes out: every
// attack that whoever owns the server and its database can make. What the real
// handler would not hand out is shown by one that checks nothing.
package evil

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/manifest"
)

// A Depot passes everything on to an honest one but what a field says
// otherwise. Fields that are nil change nothing. Change them with Lie.
type Depot struct {
	depot.Depot
	mu   sync.Mutex
	lies Lies
}

// Lies are what is changed on the way out.
type Lies struct {
	Manifest func(seq uint64, body []byte) []byte      // of what is stored as number seq
	Head     func(depot.Head) depot.Head               // where the vault stands
	Changes  func([]blob.Entry) []blob.Entry           // what there is
	Record   func(*blob.Record)                        // what is in it
	Swallow  bool                                      // commits are acknowledged and not made
	Commit   func(v depot.Vault, c depot.Commit) error // asked before a commit is made
}

// Lie replaces what is changed.
func (d *Depot) Lie(l Lies) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lies = l
}

func (d *Depot) now() Lies {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.lies
}

// Head implements depot.Depot.
func (d *Depot) Head(ctx context.Context, v depot.Vault) (depot.Head, error) {
	h, err := d.Depot.Head(ctx, v)
	if f := d.now().Head; f != nil && err == nil {
		h = f(h)
	}
	return h, err
}

// Manifest implements depot.Depot.
func (d *Depot) Manifest(ctx context.Context, v depot.Vault, seq uint64) ([]byte, error) {
	m, err := d.Depot.Manifest(ctx, v, seq)
	if f := d.now().Manifest; f != nil && err == nil {
		m = f(seq, m)
	}
	return m, err
}

// Changes implements depot.Depot.
func (d *Depot) Changes(ctx context.Context, v depot.Vault, since uint64) ([]blob.Entry, error) {
	e, err := d.Depot.Changes(ctx, v, since)
	if f := d.now().Changes; f != nil && err == nil {
		e = f(e)
	}
	return e, err
}

// Get implements depot.Depot.
func (d *Depot) Get(ctx context.Context, v depot.Vault, keys []blob.Key, limit int) ([]blob.Record, error) {
	recs, err := d.Depot.Get(ctx, v, keys, limit)
	if f := d.now().Record; f != nil && err == nil {
		for i := range recs {
			f(&recs[i])
		}
	}
	return recs, err
}

// Commit implements depot.Depot.
func (d *Depot) Commit(ctx context.Context, v depot.Vault, c depot.Commit) (bool, error) {
	l := d.now()
	if l.Commit != nil {
		if err := l.Commit(v, c); err != nil {
			return false, err
		}
	}
	if l.Swallow {
		return false, nil
	}
	return d.Depot.Commit(ctx, v, c)
}

// Drop lies that some entries are not there.
func Drop(gone func(blob.Entry) bool) Lies {
	return Lies{Changes: func(e []blob.Entry) []blob.Entry { return slices.DeleteFunc(e, gone) }}
}

// Flip flips one bit of the data of every record of a kind.
func Flip(kind uint8, bit int) Lies {
	return Lies{Record: func(r *blob.Record) {
		if r.Kind == kind && len(r.Data) > 0 {
			bit := bit % (8 * len(r.Data))
			r.Data[bit/8] ^= 1 << (bit % 8)
		}
	}}
}

// Swap gives out the data of a in place of b's, and b's in place of a's.
func Swap(a, b *blob.Record) Lies {
	a, b = new(clone(a)), new(clone(b))
	return Lies{Record: func(r *blob.Record) {
		switch r.Key {
		case a.Key:
			r.Data = slices.Clone(b.Data)
		case b.Key:
			r.Data = slices.Clone(a.Data)
		}
	}}
}

func clone(r *blob.Record) blob.Record {
	c := *r
	c.Data = slices.Clone(r.Data)
	return c
}

// A Rig is a lying server, which starts honest.
type Rig struct {
	*servertest.Rig
	Depot   *Depot
	honest  depot.Depot
	lawless *lawless
}

// Start starts a server that ends with the test.
func Start(t testing.TB, c server.Config) *Rig {
	t.Helper()
	if c.Depot == nil {
		c.Depot = servertest.NewDepot(t)
	}
	d := &Depot{Depot: c.Depot}
	honest := c.Depot
	c.Depot = d
	r := &Rig{Depot: d, honest: honest}
	r.Rig = servertest.Behind(t, c, func(real *servertest.Rig) http.Handler {
		r.lawless = &lawless{real: real.Server, key: real.Key}
		return r.lawless
	})
	return r
}

// Lie replaces what the server lies about; Lies{} makes it honest.
func (r *Rig) Lie(l Lies) { r.Depot.Lie(l) }

// Side stores a commit as it is, with none of the server's checks: it is on the
// side of whoever signed it.
func (r *Rig) Side(t testing.TB, v depot.Vault, c blob.Commit) {
	t.Helper()
	h, err := r.honest.Head(t.Context(), v)
	if err == nil {
		_, err = r.honest.Commit(t.Context(), v, depot.Commit{
			Commit: c, Prev: h.Chain, Chain: manifest.Chain(c.Manifest), Key: manifest.Sum([]byte(rand.Text())), Hash: manifest.Sum(c.Manifest), Time: time.Now(),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Save keeps a vault as it is now, for Restore.
func (r *Rig) Save(t testing.TB, v depot.Vault) *depot.Image {
	t.Helper()
	img, err := r.honest.Export(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// Restore makes the server go back to an image of a vault, as an old backup
// does, or a second history beside the one that others see: every later request
// of every device is answered from it.
func (r *Rig) Restore(t testing.TB, img *depot.Image) {
	t.Helper()
	fresh := servertest.NewDepot(t)
	var after depot.Vault
	for {
		page, err := r.honest.Vaults(t.Context(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			if after = v; v == img.Vault {
				continue
			}
			other, err := r.honest.Export(t.Context(), v)
			if err := errors.Join(err, fresh.Import(t.Context(), other)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := fresh.Import(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	r.honest = fresh
	r.Depot.mu.Lock()
	defer r.Depot.mu.Unlock()
	r.Depot.Depot = fresh
}

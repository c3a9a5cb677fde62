package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// The attacks of the design's list that a local vault can meet, by number. Each
// prints a line, which `make attack` shows.

func survived(t *testing.T, n int, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		fmt.Printf("attack %02d: %s\n", n, fmt.Sprintf(format, args...))
	}
}

// evil puts a hostile store under v.
func evil(v *Vault) *failing {
	f := &failing{Store: v.st}
	v.st = f
	return f
}

func open(v *Vault, r secret.Ref) error {
	out, err := v.Open(context.Background(), []secret.Ref{r}, yes)
	if err != nil && out != nil {
		return fmt.Errorf("an error and %d values", len(out))
	}
	return err
}

func TestAttack01FlippedBits(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "s3cret")
	f := evil(v)
	n := 0
	f.got = func(recs []blob.Record) {
		d := recs[0].Data
		if bit := n; bit < 8*len(d) {
			d[bit/8] ^= 1 << (bit % 8)
		} else {
			f.got = nil
		}
	}
	for ; f.got != nil; n++ {
		if err := open(v, ref(t, "TOKEN")); f.got != nil && !errors.Is(err, ErrTampered) {
			t.Fatalf("bit %d: %v", n, err)
		}
	}
	// What the store says about the record, and the manifest itself.
	whole, err := f.Store.Changes(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	labels := 0
	for i := range whole {
		for _, edit := range []func(*blob.Entry){
			func(e *blob.Entry) { e.Kind ^= 1 }, func(e *blob.Entry) { e.ID[5] ^= 1 }, func(e *blob.Entry) { e.Version++ },
			func(e *blob.Entry) { e.Group[0] ^= 1 }, func(e *blob.Entry) { e.Sum[31] ^= 1 },
		} {
			f.list = func(out []blob.Entry) []blob.Entry { edit(&out[i]); return out }
			if _, err := v.load(t.Context()); !errors.Is(err, ErrTampered) {
				t.Errorf("entry %d: %v", i, err)
			}
			labels++
		}
	}
	f.list = nil
	size := len(v.state.head.Manifest)
	for bit := range 8 * size {
		f.heads = func(h *blob.Head) {
			h.Manifest = bytes.Clone(h.Manifest)
			h.Manifest[bit/8] ^= 1 << (bit % 8)
		}
		if _, err := v.load(t.Context()); !errors.Is(err, ErrTampered) && !(bit < 8 && errors.Is(err, seal.ErrVersion)) {
			t.Fatalf("manifest bit %d: %v", bit, err)
		}
	}
	survived(t, 1, "%d bits of a record, %d labels, %d bits of the manifest flipped: none accepted", n-1, labels, 8*size)
}

func TestAttack02Swapped(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "value-dev")
	put(t, v, "OTHER", "value-oth")
	put(t, v, "production/TOKEN", "value-prd")
	f := evil(v)
	raw := map[string]blob.Record{}
	for _, name := range []string{"TOKEN", "OTHER", "production/TOKEN"} {
		_, k, err := v.lookup(ref(t, name))
		if err != nil {
			t.Fatal(err)
		}
		recs, err := f.Store.Get(t.Context(), []blob.Key{k})
		if err != nil {
			t.Fatal(err)
		}
		raw[name] = recs[0]
	}
	for _, asked := range []string{"TOKEN", "OTHER", "production/TOKEN"} {
		for _, given := range []string{"TOKEN", "OTHER", "production/TOKEN"} {
			f.got = func(recs []blob.Record) { recs[0].Data = raw[given].Data }
			err := open(v, ref(t, asked))
			if (err == nil) != (asked == given) || err != nil && !errors.Is(err, ErrTampered) {
				t.Errorf("asked for %s, given %s: %v", asked, given, err)
			}
		}
	}
	f.got = nil
	// Another vault's store in place of ours.
	h := newHome(t)
	h.create(Options{}).Close()
	st := h.store()
	mine := newHome(t)
	mine.create(Options{}).Close()
	if _, err := Unlock(t.Context(), st, mine.dir, text(password), Options{}); !errors.Is(err, ErrTampered) {
		t.Errorf("another vault's store: %v", err)
	}
	survived(t, 2, "secrets, environments and vaults swapped: refused")
}

// copyStore keeps a closed store's file as it is now.
func (h home) copyStore() []byte {
	h.t.Helper()
	b, err := os.ReadFile(filepath.Join(h.dir, "vault.db"))
	if err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (h home) putStore(b []byte) {
	h.t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(h.dir, "vault.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			h.t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(h.dir, "vault.db"), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// session unlocks, runs f and closes store and vault, so that the file is whole.
func (h home) session(o Options, f func(*Vault)) error {
	st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	defer st.Close()
	v, err := Unlock(context.Background(), st, h.dir, text(password), o)
	if err != nil {
		return err
	}
	defer v.Close()
	f(v)
	return nil
}

// made makes a vault and closes it.
func made(t *testing.T) home {
	t.Helper()
	h := newHome(t)
	st := sqlite.Open(filepath.Join(h.dir, "vault.db"))
	defer st.Close()
	v, _, err := Create(t.Context(), st, h.dir, text(password), Options{})
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	return h
}

func TestAttack03OldRecord(t *testing.T) {
	h := made(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(h.session(Options{}, func(v *Vault) { put(t, v, "TOKEN", "value-old") }))
	old := h.copyStore()
	must(h.session(Options{}, func(v *Vault) { put(t, v, "TOKEN", "value-new") }))
	recent := h.copyStore()

	// Alone: version 1 for version 2, by data and by label.
	must(h.session(Options{}, func(v *Vault) {
		f := evil(v)
		f.got = func(recs []blob.Record) {
			k := recs[0].Key
			k.Version = 1
			if recs[0].Version == 2 {
				was, err := f.Store.Get(context.Background(), []blob.Key{k})
				must(err)
				recs[0].Data, recs[0].Sum = was[0].Data, was[0].Sum
			}
		}
		if err := open(v, ref(t, "TOKEN")); !errors.Is(err, ErrTampered) {
			t.Errorf("old record: %v", err)
		}
		f.list = func(e []blob.Entry) []blob.Entry {
			return slices.DeleteFunc(e, func(e blob.Entry) bool { return e.Kind == seal.KindSecret && e.Version == 2 })
		}
		if _, err := v.load(t.Context()); !errors.Is(err, ErrTampered) {
			t.Errorf("new record hidden: %v", err)
		}
	}))
	// With its old manifest: to a new process, and to one that runs.
	h.putStore(old)
	if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrRollback) {
		t.Errorf("old store: %v", err)
	}
	h.putStore(recent)
	must(h.session(Options{}, func(v *Vault) {
		f := evil(v)
		f.heads = func(head *blob.Head) { head.Seq, head.Manifest = 2, v.manifest(t, 2) }
		f.list = func(e []blob.Entry) []blob.Entry {
			return slices.DeleteFunc(e, func(e blob.Entry) bool { return e.Seq > 2 })
		}
		if err := open(v, ref(t, "TOKEN")); !errors.Is(err, ErrRollback) {
			t.Errorf("old state to a running process: %v", err)
		}
	}))
	// Without the file that remembers, with another's, or with an empty store.
	remembered := filepath.Join(h.dir, seenFile)
	b, err := os.ReadFile(remembered)
	must(err)
	must(os.Remove(remembered))
	if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrRollback) {
		t.Errorf("nothing remembered: %v", err)
	}
	must(os.WriteFile(remembered, b, 0o600))
	h.putStore(nil)
	if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrRollback) {
		t.Errorf("store emptied: %v", err)
	}
	// The documented way to accept it.
	h.putStore(old)
	must(h.session(Options{AcceptRollback: true}, func(v *Vault) {
		if got := get(t, v, "TOKEN"); got != "value-old" {
			t.Errorf("accepted: %q", got)
		}
		put(t, v, "TOKEN", "value-next")
	}))
	must(h.session(Options{}, func(v *Vault) {
		if got := get(t, v, "TOKEN"); got != "value-next" {
			t.Errorf("after accepting: %q", got)
		}
	}))
	survived(t, 3, "an old record alone, with its manifest, to a new and to a running process: ErrTampered, ErrRollback")
}

// manifest reads a commit's manifest past whatever store is on top.
func (v *Vault) manifest(t *testing.T, seq uint64) []byte {
	t.Helper()
	b, err := v.st.Manifest(t.Context(), seq)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Who has the device's files, and so the Secret Key, can write the first MAC of
// what was seen, not the second.
func TestAttack03ForgedSeen(t *testing.T) {
	h := made(t)
	if err := h.session(Options{}, func(v *Vault) { put(t, v, "TOKEN", "value") }); err != nil {
		t.Fatal(err)
	}
	dev, err := readDevice(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	key := seal.DeviceSubkey(dev.secretKey, dev.vault, "seen")
	last, _, err := readSeen(h.dir, key)
	if err != nil {
		t.Fatal(err)
	}
	forger := &keyring{seen: key, mark: make([]byte, 32)}
	if err := writeSeen(h.dir, last, forger, true); err != nil {
		t.Fatal(err)
	}
	if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrRollback) {
		t.Errorf("a forged mark: %v", err)
	}
}

func TestAttack04Dropped(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "KEPT", "value-1")
	put(t, v, "GONE", "value-2")
	if err := v.Delete(t.Context(), ref(t, "GONE")); err != nil {
		t.Fatal(err)
	}
	f := evil(v)
	whole, err := f.Store.Changes(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		f.list = func(e []blob.Entry) []blob.Entry { return slices.Delete(e, i, i+1) }
		if _, err := v.load(t.Context()); !errors.Is(err, ErrTampered) {
			t.Errorf("entry %d (kind %d, version %d) dropped: %v", i, whole[i].Kind, whole[i].Version, err)
		}
		f.list = func(e []blob.Entry) []blob.Entry { return append(e, e[i]) }
		if _, err := v.load(t.Context()); !errors.Is(err, ErrTampered) {
			t.Errorf("entry %d twice: %v", i, err)
		}
	}
	f.list = nil
	f.lose = true
	if err := open(v, ref(t, "KEPT")); !errors.Is(err, ErrTampered) {
		t.Errorf("data dropped: %v", err)
	}
	survived(t, 4, "each of %d records and tombstones dropped or doubled: ErrTampered", len(whole))
}

func TestAttack05Fork(t *testing.T) {
	h := made(t)
	base := h.copyStore()
	write := func(values ...string) []byte {
		for _, value := range values {
			if err := h.session(Options{}, func(v *Vault) { put(t, v, "TOKEN", value) }); err != nil {
				t.Fatal(err)
			}
		}
		return h.copyStore()
	}
	seen, err := os.ReadFile(filepath.Join(h.dir, seenFile))
	if err != nil {
		t.Fatal(err)
	}
	restore := func(store []byte, s []byte) {
		h.putStore(store)
		if err := os.WriteFile(filepath.Join(h.dir, seenFile), s, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	left := write("left")
	leftSeen, err := os.ReadFile(filepath.Join(h.dir, seenFile))
	if err != nil {
		t.Fatal(err)
	}
	restore(base, seen) // the other device's view: the same past, its own future
	right := write("right")
	longer := write("right-2")
	for what, store := range map[string][]byte{"as long": right, "longer": longer} {
		restore(store, leftSeen)
		if err := h.session(Options{}, func(*Vault) {}); !errors.Is(err, ErrFork) {
			t.Errorf("a fork %s: %v", what, err)
		}
	}
	restore(left, leftSeen)
	if err := h.session(Options{}, func(v *Vault) {
		if got := get(t, v, "TOKEN"); got != "left" {
			t.Error(got)
		}
	}); err != nil {
		t.Error(err)
	}
	survived(t, 5, "a fork of the same length and a longer one: ErrFork")
}

func TestAttack07OldSuite(t *testing.T) {
	h := made(t)
	before := h.copyStore()
	if err := h.session(Options{}, func(v *Vault) {
		if err := v.Upgrade(t.Context(), text(password), seal.Suite2); err != nil {
			t.Fatal(err)
		}
		if v.state.manifest.Slots[0].Suite != seal.Suite2 {
			t.Error("not upgraded")
		}
	}); err != nil {
		t.Fatal(err)
	}
	h.putStore(before)
	for _, o := range []Options{{}, {AcceptRollback: true}} { // a restart, and even a person's yes
		if err := h.session(o, func(*Vault) {}); !errors.Is(err, ErrRollback) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	survived(t, 7, "a slot of suite 1 after suite 2, after a restart, even when a rollback is accepted: refused")
}

func TestAttack08ReplacedKeys(t *testing.T) {
	v := newHome(t).create(Options{})
	put(t, v, "TOKEN", "value")
	strangerPub, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := evil(v)
	commits := 0
	f.committed = func() { commits++ }
	forge := func(edit func(*seal.Manifest)) {
		m, err := seal.ParseManifest(v.state.head.Manifest)
		if err != nil {
			t.Fatal(err)
		}
		m.Prev, m.Seq = seal.ManifestHash(v.state.head.Manifest), m.Seq+1
		m.Signer = seal.DeviceID{66}
		m.Devices = append(m.Devices, seal.Device{ID: m.Signer, Key: [32]byte(strangerPub)})
		edit(m)
		data := seal.SignManifest(m, stranger, nil)
		f.heads = func(h *blob.Head) { h.Seq, h.Manifest = m.Seq, data }
	}
	for what, edit := range map[string]func(*seal.Manifest){
		"a device of its own":  func(*seal.Manifest) {},
		"our device replaced":  func(m *seal.Manifest) { m.Devices = m.Devices[1:] },
		"our slot replaced":    func(m *seal.Manifest) { m.Slots[0].Sum[0] ^= 1 },
		"a password of theirs": func(m *seal.Manifest) { m.Slots[0].Auth = [32]byte(strangerPub) },
	} {
		forge(edit)
		if _, err := v.Put(t.Context(), ref(t, "NEW"), text("value"), PutOptions{}); !errors.Is(err, ErrFork) {
			t.Errorf("%s: put: %v", what, err)
		}
		if err := open(v, ref(t, "TOKEN")); !errors.Is(err, ErrFork) {
			t.Errorf("%s: open: %v", what, err)
		}
	}
	if commits != 0 {
		t.Errorf("%d commits reached the store", commits)
	}
	survived(t, 8, "slot, device or password replaced by a stranger's: refused before any write")
}

func TestAttack11StolenStore(t *testing.T) {
	h := made(t)
	if err := h.session(Options{}, func(v *Vault) { put(t, v, "TOKEN", "value") }); err != nil {
		t.Fatal(err)
	}
	// A thief has the store and the password, and makes the device's file up.
	dev, err := readDevice(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	thief := home{t: t, dir: t.TempDir()}
	thief.putStore(h.copyStore())
	for what, sk := range map[string][]byte{"random": seal.NewKey(16), "zero": make([]byte, 16)} {
		made := &device{vault: dev.vault, id: dev.id, secretKey: sk, sign: dev.sign}
		if err := made.write(thief.dir); err != nil {
			t.Fatal(err)
		}
		if err := thief.session(Options{AcceptRollback: true}, func(*Vault) { t.Error("opened") }); !errors.Is(err, ErrPassword) {
			t.Errorf("%s Secret Key: %v", what, err)
		}
	}
	// And the other way round: all of the device's files, no password.
	v, err := Unlock(t.Context(), h.store(), h.dir, text(""), Options{})
	if v != nil || !errors.Is(err, ErrPassword) {
		t.Error(err)
	}
	survived(t, 11, "a stolen store and the right password, without the Secret Key: nothing opens")
}

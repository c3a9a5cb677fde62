package mirror

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/sqlite"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

const password = "correct horse battery staple"

var errOffline = errors.New("no route to host")

func text(s string) secret.Value { return secret.New([]byte(s)) }

func ref(name string) secret.Ref {
	return secret.Ref{App: "shop", Env: "development", Name: name}
}

func yes([]vault.Head) error { return nil }

// evil is a server that does what it is told to: every hook may change what an
// honest one would answer.
type evil struct {
	blob.Store
	mu      sync.Mutex
	down    bool // cannot be reached
	deaf    bool // does what it is asked, and the answer is lost
	calls   int
	head    func(blob.Head) blob.Head
	list    func([]blob.Entry) []blob.Entry
	got     func([]blob.Record) []blob.Record
	proof   func(seq uint64, data []byte) []byte
	commits func(blob.Commit) error
}

func (e *evil) call() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.down {
		return errOffline
	}
	return nil
}

func (e *evil) Head(ctx context.Context) (blob.Head, error) {
	if err := e.call(); err != nil {
		return blob.Head{}, err
	}
	h, err := e.Store.Head(ctx)
	if e.head != nil && err == nil {
		h = e.head(h)
	}
	return h, err
}

func (e *evil) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	out, err := e.Store.Changes(ctx, since)
	if e.list != nil && err == nil {
		out = e.list(out)
	}
	return out, err
}

func (e *evil) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	out, err := e.Store.Get(ctx, keys)
	if e.got != nil && err == nil {
		out = e.got(out)
	}
	return out, err
}

func (e *evil) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	if err := e.call(); err != nil {
		return nil, err
	}
	data, err := e.Store.Manifest(ctx, seq)
	if e.proof != nil && err == nil {
		data = e.proof(seq, data)
	}
	return data, err
}

func (e *evil) Commit(ctx context.Context, c blob.Commit) error {
	if err := e.call(); err != nil {
		return err
	}
	if e.commits != nil {
		if err := e.commits(c); err != nil {
			return err
		}
	}
	err := e.Store.Commit(ctx, c)
	if err == nil && e.deaf {
		return errOffline
	}
	return err
}

func (e *evil) Close() error { return nil }

// A server is the honest store; every device has a connection of its own, which
// an attacker may sit on.
type server struct {
	t     *testing.T
	store *sqlite.Store
}

func newServer(t *testing.T) *server {
	s := sqlite.Open(filepath.Join(t.TempDir(), "server.db"))
	t.Cleanup(func() { s.Close() })
	return &server{t, s}
}

// A device is one home with its connection.
type device struct {
	t      *testing.T
	home   string
	wire   *evil
	mirror *Store
	vault  *vault.Vault
	kit    vault.Kit
}

func (s *server) device() *device {
	return &device{t: s.t, home: s.t.TempDir(), wire: &evil{Store: s.store}}
}

func (d *device) vaultID() [16]byte {
	id, err := hex.DecodeString(d.vault.ID())
	d.must(err)
	return [16]byte(id)
}

func (d *device) local() *sqlite.Store { return sqlite.Open(filepath.Join(d.home, "vault.db")) }

// connect makes the mirror, which asks the server each time.
func (d *device) connect() *Store {
	d.mirror = New(d.local(), d.wire, Options{
		Offline: func(err error) bool { return errors.Is(err, errOffline) || errors.Is(err, context.DeadlineExceeded) },
		Fresh:   time.Nanosecond, Retry: time.Nanosecond, Stamp: filepath.Join(d.home, "synced"), Held: true,
	})
	d.t.Cleanup(func() { d.mirror.Close() })
	return d.mirror
}

// create makes the vault on the server.
func (s *server) create() *device {
	s.t.Helper()
	d := s.device()
	v, kit, err := vault.Create(s.t.Context(), d.connect(), d.home, text(password), vault.Options{Name: "first", Served: true, Keyed: func(*vault.Vault) { d.mirror.Release() }})
	if err != nil {
		s.t.Fatal(err)
	}
	d.vault, d.kit = v, kit
	return d
}

// join makes another device of d's vault, with kit and password.
func (d *device) join(s *server, name string) *device {
	d.t.Helper()
	n := s.device()
	if err := n.tryJoin(d, name); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func (n *device) tryJoin(d *device, name string) error {
	ctx := context.Background()
	j, err := vault.BeginJoin(n.home, d.vaultID(), d.kit.Key, text(password), 1)
	if err != nil {
		return err
	}
	defer j.Wipe()
	seq, err := j.Enrol(ctx, n.wire, n.wire)
	if err != nil {
		return err
	}
	local := n.local()
	defer local.Close()
	if err := Seed(ctx, local, n.wire, seq); err != nil {
		return err
	}
	if err := n.unlock(); err != nil {
		return err
	}
	return n.vault.Announce(ctx, name)
}

func (d *device) unlock() error {
	v, err := vault.Unlock(context.Background(), d.connect(), d.home, text(password), vault.Options{Served: true})
	if err == nil {
		d.vault = v
		d.mirror.Release()
	}
	return err
}

func (d *device) put(name, value string) error {
	_, err := d.vault.Put(context.Background(), ref(name), text(value), vault.PutOptions{Before: yes})
	return err
}

func (d *device) get(name string) (string, error) {
	out, err := d.vault.Open(context.Background(), []secret.Ref{ref(name)}, yes)
	if err != nil {
		return "", err
	}
	return string(out[0].Value.Reveal()), nil
}

func (d *device) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// sees fails the test unless d reads value under name.
func (d *device) sees(name, value string) {
	d.t.Helper()
	if got, err := d.get(name); err != nil || got != value {
		d.t.Errorf("%s: %q, %v; want %q", name, got, err, value)
	}
}

// Two devices: what one writes the other reads; different secrets merge by
// themselves; offline reads go on and writes say so.
func TestTwoDevices(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	b := a.join(s, "second")
	b.sees("TOKEN", "one")
	b.must(b.put("OTHER", "two"))
	a.sees("OTHER", "two")
	// Both write, neither having seen the other.
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { a.must(a.put(fmt.Sprintf("A%d", i), "a")) })
		wg.Go(func() { b.must(b.put(fmt.Sprintf("B%d", i), "b")) })
	}
	wg.Wait()
	for i := range 8 {
		a.sees(fmt.Sprintf("B%d", i), "b")
		b.sees(fmt.Sprintf("A%d", i), "a")
	}
	devices, err := a.vault.Devices(t.Context())
	if err != nil || len(devices) != 2 || devices[0].Name != "first" || devices[1].Name != "second" || !devices[0].This || devices[1].This {
		t.Errorf("%+v, %v", devices, err)
	}
	if devices[0].Words() == devices[1].Words() {
		t.Error("two devices, one fingerprint")
	}

	b.wire.down = true
	b.sees("A0", "a")
	if st := b.mirror.State(); st.Online || !errors.Is(st.Problem, errOffline) || time.Since(st.Contact) > time.Hour {
		t.Errorf("%+v", st)
	}
	if err := b.put("LATE", "x"); !errors.Is(err, errOffline) {
		t.Errorf("written offline: %v", err)
	}
	a.must(a.put("A0", "new"))
	b.sees("A0", "a")
	b.wire.down = false
	b.sees("A0", "new")
	if _, err := b.get("LATE"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("a write that was refused: %v", err)
	}
	// A restart offline: the copy opens, and says how old it is.
	b.wire.down = true
	b.must(b.vault.Close())
	b.must(b.unlock())
	b.sees("A0", "new")
	if Stamped(filepath.Join(b.home, "synced")).IsZero() {
		t.Error("nothing tells how old the copy is")
	}
	// What happened meanwhile is verified, commit by commit, and taken over.
	for i := range 30 {
		a.must(a.put("COUNT", fmt.Sprint(i)))
	}
	b.wire.down = false
	b.sees("COUNT", "29")
	b.must(b.mirror.Sync(t.Context()))
	if r, err := b.vault.Verify(t.Context(), yes); err != nil || len(r.Problems) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// The same secret on two devices: who did not know is told, with the device and
// the time of both; who then writes again means it.
func TestSameSecret(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "v1"))
	b := a.join(s, "second")
	b.sees("TOKEN", "v1")
	known := b.vault.Known(ref("TOKEN"))
	a.must(a.put("TOKEN", "v2"))
	write := func(known uint64, value string) error {
		_, err := b.vault.Put(t.Context(), ref("TOKEN"), text(value), vault.PutOptions{Before: yes, Seen: &known})
		return err
	}
	err := write(known, "v3")
	var c *vault.Conflict
	if !errors.As(err, &c) || !errors.Is(err, vault.ErrConflict) {
		t.Fatalf("%v", err)
	}
	if c.Other.Version != 2 || c.Other.Name != "first" || c.Mine.Version != 1 || c.Mine.Name != "first" || time.Since(c.Other.Time) > time.Hour || c.Other.Deleted {
		t.Errorf("%+v", c)
	}
	b.sees("TOKEN", "v2")
	if err := write(b.vault.Known(ref("TOKEN")), "v3"); err != nil {
		t.Errorf("knowing of it: %v", err)
	}
	a.sees("TOKEN", "v3")
	// One's own change is no conflict, and a deletion by another is one.
	if err := write(1, "v4"); err != nil {
		t.Errorf("over one's own: %v", err)
	}
	known = b.vault.Known(ref("TOKEN"))
	a.must(a.vault.Delete(t.Context(), ref("TOKEN")))
	if err := write(known, "v5"); !errors.As(err, &c) || !c.Other.Deleted {
		t.Errorf("deleted meanwhile: %v", err)
	}
	if err := write(0, "x"); !errors.As(err, &c) || c.Mine.Version != 0 {
		t.Errorf("made meanwhile: %v", err)
	}
}

// A device that another one lets in: kit and password stay where they are.
func TestApproval(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	n := s.device()
	adm, err := vault.BeginAdmission(n.home, a.vaultID(), "tab\x1blet")
	if err != nil {
		t.Fatal(err)
	}
	defer adm.Wipe()
	if _, err := a.vault.Approve(t.Context(), text("wrong"), adm.Request()); !errors.Is(err, vault.ErrPassword) {
		t.Errorf("with a wrong password: %v", err)
	}
	other := *adm.Request()
	other.Vault[0]++
	if _, err := a.vault.Approve(t.Context(), text(password), &other); !errors.Is(err, vault.ErrValue) {
		t.Errorf("for another vault: %v", err)
	}
	answer, err := a.vault.Approve(t.Context(), text(password), adm.Request())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.vault.Approve(t.Context(), text(password), adm.Request()); !errors.Is(err, vault.ErrTaken) {
		t.Errorf("again: %v", err)
	}
	a.must(a.put("LATER", "two")) // between the approval and its use
	bad := bytes.Clone(answer)
	bad[len(bad)-1] ^= 1
	if _, err := adm.Accept(bad); !errors.Is(err, vault.ErrTampered) {
		t.Errorf("an altered answer: %v", err)
	}
	seq, err := adm.Accept(answer)
	if err != nil {
		t.Fatal(err)
	}
	local := n.local()
	n.must(Seed(t.Context(), local, n.wire, seq))
	n.must(local.Close())
	n.must(n.unlock())
	n.sees("TOKEN", "one")
	n.sees("LATER", "two")
	n.must(n.put("TOKEN", "three"))
	a.sees("TOKEN", "three")
	devices, err := n.vault.Devices(t.Context())
	if err != nil || len(devices) != 2 || devices[1].Name != "tablet" || devices[1].By != devices[0].ID {
		t.Errorf("%+v, %v", devices, err)
	}
}

// A revoked device writes nothing any more, whatever the server lets through.
func TestRevoked(t *testing.T) {
	s := newServer(t)
	a := s.create()
	a.must(a.put("TOKEN", "one"))
	b := a.join(s, "second")
	if err := a.vault.RevokeDevice(t.Context(), a.vault.Device()); !errors.Is(err, vault.ErrValue) {
		t.Errorf("oneself: %v", err)
	}
	if err := a.vault.RevokeDevice(t.Context(), "00"); !errors.Is(err, vault.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	// Attack: a server that hides the revocation from the others takes what the
	// revoked device signs.
	before := &evil{Store: s.copy()}
	a.must(a.vault.RevokeDevice(t.Context(), b.vault.Device()))
	b.wire.Store = before.Store
	b.must(b.put("TOKEN", "stolen"))
	a.wire.Store = before.Store
	if _, err := a.get("TOKEN"); !errors.Is(err, vault.ErrFork) && !errors.Is(err, vault.ErrRollback) {
		t.Errorf("a hidden revocation: %v", err)
	}
	// The honest server's head does not list it: it cannot go on from there.
	b.wire.Store = s.store
	b.must(b.vault.Close())
	err := b.unlock()
	if err == nil {
		err = b.put("TOKEN", "again")
	}
	if !errors.Is(err, vault.ErrFork) && !errors.Is(err, vault.ErrTampered) && !errors.Is(err, vault.ErrRevoked) {
		t.Errorf("after its revocation: %v", err)
	}
	devices, err := func() ([]vault.Device, error) { a.wire.Store = s.store; return a.vault.Devices(context.Background()) }()
	if err != nil || len(devices) != 1 {
		t.Errorf("%+v, %v", devices, err)
	}
}

// copy returns what the server held, as an old backup of it would.
func (s *server) copy() *sqlite.Store {
	s.t.Helper()
	ctx := context.Background()
	out := sqlite.Open(filepath.Join(s.t.TempDir(), "copy.db"))
	s.t.Cleanup(func() { out.Close() })
	head, err := s.store.Head(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	entries, err := s.store.Changes(ctx, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	c, came := blob.Commit{Seq: head.Seq, Manifest: head.Manifest}, []uint64{}
	for _, e := range entries {
		came = append(came, e.Seq)
		recs, err := s.store.Get(ctx, []blob.Key{e.Key})
		if err != nil {
			s.t.Fatal(err)
		}
		c.Put = append(c.Put, recs...)
	}
	var between []blob.Head
	for seq := uint64(1); seq < head.Seq; seq++ {
		data, err := s.store.Manifest(ctx, seq)
		if err != nil {
			s.t.Fatal(err)
		}
		between = append(between, blob.Head{Seq: seq, Manifest: data})
	}
	if err := out.Replay(ctx, c, between, came); err != nil {
		s.t.Fatal(err)
	}
	return out
}

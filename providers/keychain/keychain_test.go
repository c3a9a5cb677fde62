package keychain

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// gnome is a keyring that we did not write, on a bus of its own.
type gnome struct{ k *keyring }

// memory is GNOME Keyring's collection that is never written to a file; the
// other one is, and has a password.
const (
	memory   = root + "/collection/session"
	memoryIs = "session"
	masters  = "pw"
)

func startGnome(t *testing.T) *gnome {
	t.Helper()
	for _, exe := range []string{"dbus-daemon", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(exe); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is needed in CI: make import-tools", exe)
			}
			t.Skipf("no %s (Debian: gnome-keyring, dbus)", exe)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "kr") // a socket's address is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, name := range []string{"HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME"} {
		t.Setenv(name, dir)
	}
	bus := exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", "--address=unix:dir="+dir)
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, bus, nil)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", strings.TrimSpace(line))
	run(t, exec.Command("gnome-keyring-daemon", "--unlock", "--foreground", "--components=secrets"), strings.NewReader(masters))
	for range 300 {
		if k := running(t); k != nil {
			t.Cleanup(func() { k.bus.Close() })
			return &gnome{k}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("gnome-keyring-daemon did not start")
	return nil
}

// running returns the daemon when it is on the bus and has taken its password.
// Asked before that, the bus would start another one.
func running(t *testing.T) *keyring {
	t.Helper()
	bus, err := dbus.Connect(address())
	if err != nil {
		return nil
	}
	defer bus.Close()
	var there bool
	if bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, busName).Store(&there) != nil || !there {
		return nil
	}
	k, err := open(t.Context())
	if err != nil {
		return nil
	}
	all, err := k.collections(t.Context())
	for _, c := range all {
		if c.locked {
			err = errors.New("locked")
		}
	}
	if err != nil || len(all) != 2 {
		k.bus.Close()
		return nil
	}
	return k
}

func run(t *testing.T, cmd *exec.Cmd, in io.Reader) {
	t.Helper()
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
}

func (g *gnome) Fill(t testing.TB, secrets []providertest.Secret) {
	t.Helper()
	old, err := g.k.items(t.Context(), memory)
	if err != nil {
		t.Fatal(err)
	}
	keep := map[string]bool{}
	for _, s := range secrets {
		keep[s.Name] = true
	}
	for _, at := range old {
		if it, err := g.k.item(t.Context(), at); err != nil || !keep[it.label] {
			g.remove(t, at)
		}
	}
	for _, s := range secrets {
		g.put(t, memory, s.Name, s.Value, map[string]string{"id": s.Name})
	}
}

type secretStruct struct {
	Session           dbus.ObjectPath
	Parameters, Value []byte
	ContentType       string
}

func (g *gnome) put(t testing.TB, in dbus.ObjectPath, label string, value []byte, attributes map[string]string) dbus.ObjectPath {
	t.Helper()
	props := map[string]dbus.Variant{
		itemType + ".Label":      dbus.MakeVariant(label),
		itemType + ".Attributes": dbus.MakeVariant(attributes),
	}
	if value == nil {
		value = []byte{}
	}
	var at, prompt dbus.ObjectPath
	call := g.k.bus.Object(busName, in).Call(collectionType+".CreateItem", 0, props,
		secretStruct{g.k.session, []byte{}, value, "text/plain"}, true)
	if err := call.Store(&at, &prompt); err != nil || prompt != "/" {
		t.Fatalf("create %q: %v, prompt %s", label, err, prompt)
	}
	return at
}

func (g *gnome) remove(t testing.TB, at dbus.ObjectPath) {
	t.Helper()
	if err := g.k.bus.Object(busName, at).Call(itemType+".Delete", 0).Err; err != nil {
		t.Fatal(err)
	}
}

func (g *gnome) Delete(_, name string) {
	all, _ := g.k.items(context.Background(), memory)
	for _, at := range all {
		if it, err := g.k.item(context.Background(), at); err == nil && it.label == name {
			g.k.bus.Object(busName, at).Call(itemType+".Delete", 0)
		}
	}
}

func (g *gnome) Provider(testing.TB) (provider.Provider, provider.Config) {
	return New(), provider.Config{Settings: map[string]string{"collection": memoryIs}}
}

// TestGnome holds the provider against a real Secret Service.
func TestGnome(t *testing.T) {
	g := startGnome(t)
	providertest.Run(t, g, providertest.Traits{NoFolders: true})
}

func list(t *testing.T, p *Provider, q provider.Query) map[string]provider.Entry {
	t.Helper()
	out := map[string]provider.Entry{}
	for e, err := range p.List(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name] = e
	}
	return out
}

func configured(t *testing.T, settings map[string]string) *Provider {
	t.Helper()
	p := New()
	if _, err := p.Configure(t.Context(), provider.Config{Settings: settings}); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestItems: names and tags are what the person chose, and the master password
// that ov remembers in the same keyring stays there.
func TestItems(t *testing.T) {
	g := startGnome(t)
	g.put(t, memory, "GitHub token", []byte("value one"), map[string]string{"service": "github", "username": "bot"})
	own := g.put(t, memory, "Password for '/home/x/.ov' on 'ov'", []byte("master"), map[string]string{"service": ownService, "username": "/home/x/.ov"})

	got := list(t, configured(t, nil), provider.Query{})
	if e, ok := got["GitHub token"]; !ok || len(got) != 1 || e.Labels["service"] != "github" || e.Path != memoryIs || time.Since(e.Updated).Abs() > time.Hour {
		t.Errorf("listed %v", got)
	}
	if got := list(t, configured(t, map[string]string{"name": "username"}), provider.Query{Tags: map[string]string{"service": "github"}}); len(got) != 1 || got["bot"].Ref == "" {
		t.Errorf("by attribute: %v", got)
	}
	if got := list(t, configured(t, map[string]string{"name": "nothing has this"}), provider.Query{}); got["GitHub token"].Ref == "" {
		t.Errorf("without the attribute: %v", got)
	}
	if got := list(t, configured(t, nil), provider.Query{Tags: map[string]string{"service": "gitlab"}}); len(got) != 0 {
		t.Errorf("with another tag: %v", got)
	}
	if got := list(t, configured(t, nil), provider.Query{Path: "elsewhere"}); len(got) != 0 {
		t.Errorf("in another collection: %v", got)
	}
	if _, err := configured(t, nil).Fetch(t.Context(), string(own)); provider.CodeOf(err) != provider.Denied {
		t.Errorf("fetched ov's own master password: %v", err)
	}
}

// TestLocked: what is locked is named and left out, and an item that gets
// locked in between is an error of its own.
func TestLocked(t *testing.T) {
	g := startGnome(t)
	var login dbus.ObjectPath
	if err := g.k.service.Call(inService+"ReadAlias", 0, "login").Store(&login); err != nil || login == "/" {
		t.Fatalf("login collection: %s, %v", login, err)
	}
	at := g.put(t, login, "database", []byte("a locked value"), map[string]string{"id": "database"})
	p := configured(t, nil)
	if it, err := p.Fetch(t.Context(), string(at)); err != nil || string(it.Value) != "a locked value" {
		t.Fatalf("before it is locked: %q, %v", it.Value, err)
	}
	if err := g.k.service.Call(inService+"Lock", 0, []dbus.ObjectPath{login}).Err; err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fetch(t.Context(), string(at)); provider.CodeOf(err) != provider.Denied {
		t.Errorf("fetch from a locked collection: %v", err)
	}
	account, err := New().Configure(t.Context(), provider.Config{})
	if err != nil || len(account.Notes) != 1 || !strings.Contains(account.Notes[0], "locked") {
		t.Errorf("notes %q, %v", account.Notes, err)
	}
	_, err = New().Configure(t.Context(), provider.Config{Settings: map[string]string{"collection": "nowhere"}})
	if provider.CodeOf(err) != provider.NotFound || !strings.Contains(err.Error(), memoryIs) {
		t.Errorf("a collection that is not there: %v", err)
	}
}

// TestNoBus: without a desktop the error says what was tried, and nothing is started.
func TestNoBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	_, err := New().Configure(t.Context(), provider.Config{})
	if provider.CodeOf(err) != provider.Unauthenticated || !strings.Contains(err.Error(), "DBUS_SESSION_BUS_ADDRESS") {
		t.Errorf("Configure: %v", err)
	}
}

// TestToken: what changed a moment ago may change again under the same date.
func TestToken(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	if got := token("/a", now.Add(-time.Second), now); got != "" {
		t.Errorf("token of a fresh change: %q", got)
	}
	if a, b := token("/a", now.Add(-time.Hour), now), token("/a", now.Add(-time.Hour+time.Second), now); a == "" || a == b {
		t.Errorf("tokens %q and %q", a, b)
	}
}

// TestExplain: a service's own words reach nobody.
func TestExplain(t *testing.T) {
	for name, want := range map[string]provider.Code{
		"org.freedesktop.Secret.Error.IsLocked":     provider.Denied,
		"org.freedesktop.Secret.Error.NoSuchObject": provider.NotFound,
		"org.freedesktop.DBus.Error.ServiceUnknown": provider.Unauthenticated,
		"org.freedesktop.DBus.Error.NoReply":        provider.Unavailable,
		"org.freedesktop.DBus.Error.AccessDenied":   provider.Denied,
		"org.freedesktop.DBus.Error.SomethingElse":  provider.Unknown,
	} {
		err := explain("/a", dbus.Error{Name: name, Body: []any{"canary in the text"}})
		if provider.CodeOf(err) != want || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := explain("/a", errors.New("canary")); provider.CodeOf(err) != provider.Unavailable || strings.Contains(err.Error(), "canary") {
		t.Errorf("broken connection: %v", err)
	}
}

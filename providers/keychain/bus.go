package keychain

import (
	"context"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/opaquevault/ov/sdk/provider"
)

// Names of the Secret Service specification.
const (
	busName        = "org.freedesktop.secrets"
	root           = dbus.ObjectPath("/org/freedesktop/secrets")
	inService      = "org.freedesktop.Secret.Service."
	collectionType = "org.freedesktop.Secret.Collection"
	itemType       = "org.freedesktop.Secret.Item"
	promptType     = "org.freedesktop.Secret.Prompt"
	properties     = "org.freedesktop.DBus.Properties."
)

// waitForPerson bounds how long the keyring's own window may stand open.
const waitForPerson = 2 * time.Minute

// A keyring is a session with the service. Values cross the bus in plain, as
// with most of its clients: whoever may listen on the session bus may ask the
// keyring as well.
type keyring struct {
	bus     *dbus.Conn
	service dbus.BusObject
	session dbus.ObjectPath
}

type collection struct {
	at     dbus.ObjectPath
	label  string
	locked bool
}

type item struct {
	label      string
	attributes map[string]string
	modified   time.Time
}

func open(ctx context.Context) (*keyring, error) {
	bus, err := dbus.Connect(address())
	if err != nil {
		return nil, provider.Errorf(provider.Unauthenticated,
			"no session bus answers; tried DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR/bus (a keyring needs a desktop session)")
	}
	k := &keyring{bus: bus, service: bus.Object(busName, root)}
	var ignored dbus.Variant
	call := k.service.CallWithContext(ctx, inService+"OpenSession", 0, "plain", dbus.MakeVariant(""))
	if err := call.Store(&ignored, &k.session); err != nil {
		bus.Close()
		return nil, explain("the session bus", err)
	}
	return k, nil
}

// address finds the session bus. The library's own search would start one.
func address() string {
	if a := os.Getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "bus"))
}

func (k *keyring) collections(ctx context.Context) ([]collection, error) {
	var out []collection
	var paths []dbus.ObjectPath
	if err := k.get(ctx, root, strings.TrimSuffix(inService, "."), "Collections", &paths); err != nil {
		return nil, err
	}
	for _, at := range paths {
		all, err := k.all(ctx, at, collectionType)
		if err != nil {
			return nil, err
		}
		c := collection{at: at}
		c.label, _ = all["Label"].Value().(string)
		c.locked, _ = all["Locked"].Value().(bool)
		if c.label == "" {
			c.label = path.Base(string(at))
		}
		out = append(out, c)
	}
	return out, nil
}

func (k *keyring) items(ctx context.Context, at dbus.ObjectPath) ([]dbus.ObjectPath, error) {
	var out []dbus.ObjectPath
	return out, k.get(ctx, at, collectionType, "Items", &out)
}

func (k *keyring) item(ctx context.Context, at dbus.ObjectPath) (item, error) {
	all, err := k.all(ctx, at, itemType)
	if err != nil {
		return item{}, err
	}
	var it item
	it.label, _ = all["Label"].Value().(string)
	it.attributes, _ = all["Attributes"].Value().(map[string]string)
	modified, _ := all["Modified"].Value().(uint64)
	it.modified = time.Unix(int64(modified), 0)
	return it, nil
}

// secret reads a value: the third of session, parameters, value, content type.
func (k *keyring) secret(ctx context.Context, at dbus.ObjectPath) ([]byte, error) {
	var s struct {
		Session     dbus.ObjectPath
		Parameters  []byte
		Value       []byte
		ContentType string
	}
	if err := k.bus.Object(busName, at).CallWithContext(ctx, itemType+".GetSecret", 0, k.session).Store(&s); err != nil {
		return nil, explain(string(at), err)
	}
	return s.Value, nil
}

// unlock lets the keyring ask the person, in a window of its own.
func (k *keyring) unlock(ctx context.Context, at dbus.ObjectPath) error {
	ctx, stop := context.WithTimeout(ctx, waitForPerson)
	defer stop()
	done := make(chan *dbus.Signal, 4)
	k.bus.Signal(done)
	defer k.bus.RemoveSignal(done)
	match := []dbus.MatchOption{dbus.WithMatchInterface(promptType), dbus.WithMatchMember("Completed")}
	if err := k.bus.AddMatchSignalContext(ctx, match...); err != nil {
		return explain("the session bus", err)
	}
	var unlocked []dbus.ObjectPath
	var prompt dbus.ObjectPath
	call := k.service.CallWithContext(ctx, inService+"Unlock", 0, []dbus.ObjectPath{at})
	if err := call.Store(&unlocked, &prompt); err != nil {
		return explain("the keyring", err)
	}
	if prompt == "/" {
		return nil
	}
	if err := k.bus.Object(busName, prompt).CallWithContext(ctx, promptType+".Prompt", 0, "").Err; err != nil {
		return explain("the keyring", err)
	}
	for {
		select {
		case <-ctx.Done():
			return provider.Errorf(provider.Denied, "the keyring was not unlocked in time")
		case s := <-done:
			if s.Path != prompt || len(s.Body) == 0 {
				continue
			}
			if dismissed, _ := s.Body[0].(bool); dismissed {
				return provider.Errorf(provider.Denied, "the keyring was not unlocked")
			}
			return nil
		}
	}
}

func (k *keyring) get(ctx context.Context, at dbus.ObjectPath, of, name string, out any) error {
	var v dbus.Variant
	if err := k.bus.Object(busName, at).CallWithContext(ctx, properties+"Get", 0, of, name).Store(&v); err != nil {
		return explain(string(at), err)
	}
	if err := v.Store(out); err != nil {
		return provider.Errorf(provider.Unknown, "the keyring answers %s in another type", name)
	}
	return nil
}

func (k *keyring) all(ctx context.Context, at dbus.ObjectPath, of string) (map[string]dbus.Variant, error) {
	var out map[string]dbus.Variant
	if err := k.bus.Object(busName, at).CallWithContext(ctx, properties+"GetAll", 0, of).Store(&out); err != nil {
		return nil, explain(string(at), err)
	}
	return out, nil
}

// explain maps an error's name and drops its text, which a service is free to
// fill with what it likes.
func explain(what string, err error) error {
	var e dbus.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return provider.Errorf(provider.Unknown, "cancelled")
		}
		return provider.Errorf(provider.Unavailable, "%s: the connection to the session bus broke", what)
	}
	switch last := e.Name[strings.LastIndexByte(e.Name, '.')+1:]; last {
	case "NoSuchObject", "UnknownObject", "UnknownMethod", "UnknownInterface":
		return provider.Errorf(provider.NotFound, "%s: no such item in the keyring", what)
	case "IsLocked":
		return provider.Errorf(provider.Denied, "%s: locked", what)
	case "ServiceUnknown", "NameHasNoOwner":
		return provider.Errorf(provider.Unauthenticated, "no keyring answers on the session bus (%s); start gnome-keyring, KWallet or KeePassXC", busName)
	case "AccessDenied":
		return provider.Errorf(provider.Denied, "%s: the keyring refuses", what)
	case "NoReply", "Timeout", "TimedOut":
		return provider.Errorf(provider.Unavailable, "%s: the keyring does not answer", what)
	default:
		return provider.Errorf(provider.Unknown, "%s: %s", what, e.Name)
	}
}

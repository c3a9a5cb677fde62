package serve

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/httpblob"
	wireblob "github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
	"github.com/opaquevault/ov/core/vault/mirror"
)

// meet asks a server for its key, which is pinned from then on, and holds it
// against the words that the person was told, if there are any.
func (s *Server) meet(ctx context.Context, a *agent.Server) (*remoteFile, error) {
	r := &remoteFile{URL: a.URL, CA: a.CA}
	st, err := r.connect(nil)
	if err != nil {
		if e := (*agent.Error)(nil); errors.As(err, &e) {
			return nil, err
		}
		return nil, &agent.Error{Err: agent.ErrUsage, Message: err.Error()}
	}
	defer st.Close()
	if r.Key, err = st.ServerKey(ctx); err != nil {
		return nil, err
	}
	if words := seal.Words(r.Key); a.Words != "" && a.Words != words {
		return nil, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: the key of %s is called %s, and not %s", agent.ErrDenied, a.URL, words, a.Words),
			Advice: "somebody is between this machine and the server, or its key was changed: ask who runs it"}
	}
	return r, nil
}

// createRemote makes a vault on a server: it has each commit before this machine
// does.
func (s *Server) createRemote(ctx context.Context, a *agent.Server, password secret.Value, o vault.Options) (*vault.Vault, vault.Kit, *place, error) {
	r, err := s.meet(ctx, a)
	if err != nil {
		return nil, vault.Kit{}, nil, err
	}
	r.Vault = hex.EncodeToString(make([]byte, 16)) // until there is one
	p, err := s.placeAt(r)
	if err != nil {
		return nil, vault.Kit{}, nil, err
	}
	var keyed error
	o.Keyed = func(v *vault.Vault) { keyed = s.connectNew(p, v) }
	o.Served = true
	v, kit, err := vault.Create(ctx, p, s.c.Home, password, o)
	if err = errors.Join(keyed, err); err != nil {
		return nil, vault.Kit{}, nil, errors.Join(err, forgetRemote(s.c.Home), p.Close())
	}
	return v, kit, p, nil
}

// connectNew connects p, whose vault has an id now.
func (s *Server) connectNew(p *place, v *vault.Vault) error {
	p.remote.Vault = v.ID()
	p.signer.set(v.Signer())
	o, err := p.remote.options(p.signer)
	if err != nil {
		return err
	}
	if o.Locator, err = v.Locator(); err != nil {
		return err
	}
	if p.server, err = httpblob.New(o); err != nil {
		return err
	}
	p.mirror.Connect(p.server)
	return p.remote.write(s.c.Home)
}

// opJoin makes this machine a device of a vault on a server, with the kit and
// the password. It is left open in a one-shot agent.
func (s *Server) opJoin(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a agent.Server
	kind, err := passwordArgs(f, &a)
	if err != nil {
		return answer{}, err
	}
	if s.hasVault() {
		return answer{}, vault.ErrVaultExists
	}
	r, err := s.meet(ctx, &a)
	if err != nil {
		return answer{}, err
	}
	r.Announce = cmp.Or(oneLine(a.Name), "unnamed")
	kit, err := s.readKit(ctx, f, kind)
	if err != nil {
		return answer{}, err
	}
	defer kit.Wipe()
	if err := r.locate(ctx, kit); err != nil {
		return answer{}, err
	}
	err = s.askAny(ctx, f.Files[0], kind, "Master password of the vault: ", func(p secret.Value) error {
		if err := s.join(ctx, r, kit, p); err != nil {
			return err
		}
		return s.begin(ctx, c, p, "vault_join")
	})
	return answer{args: r.status(), after: giveBack}, err
}

// readKit gets the Secret Key: from the second descriptor, which may be a whole
// recovery kit, or typed on the terminal.
func (s *Server) readKit(ctx context.Context, f *wire.Frame, kind agent.PasswordKind) (secret.Value, error) {
	if len(f.Files) < 2 {
		if kind != agent.PasswordTTY {
			return secret.Value{}, fmt.Errorf("join: %w: no recovery kit", agent.ErrUsage)
		}
		return (terminal{f.Files[0]}).secret(ctx, "Secret Key (OV1-...), from the recovery kit: ")
	}
	all, err := readAll(ctx, f.Files[1], maxIdentity)
	if err != nil {
		return secret.Value{}, err
	}
	defer all.Wipe()
	return secretKeyIn(all), nil
}

// locate finds the vault that the kit is of.
func (r *remoteFile) locate(ctx context.Context, kit secret.Value) error {
	locator, err := seal.ReadLocator(kit)
	if err != nil {
		return err
	}
	o, err := r.options(nil)
	if err != nil {
		return err
	}
	o.Locator = locator
	id, err := httpblob.Locate(ctx, o)
	if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrEmpty) {
		return &agent.Error{Err: agent.ErrNoVault, Message: fmt.Sprintf("join: %s has no vault of this Secret Key", r.URL), Advice: "is it the right server, and was the key typed as it stands on the kit?"}
	}
	r.Vault = hex.EncodeToString(id[:])
	return err
}

// join enrols this machine and fetches the vault.
func (s *Server) join(ctx context.Context, r *remoteFile, kit, password secret.Value) error {
	err := error(vault.ErrPassword)
	for suite := seal.Suite1; suite <= seal.NewestSuite && errors.Is(err, vault.ErrPassword); suite++ {
		var j *vault.Join
		if j, err = vault.BeginJoin(s.c.Home, r.id(), kit, password, suite); err != nil {
			return err
		}
		err = s.enrol(ctx, r, j)
		j.Wipe()
	}
	return err
}

func (s *Server) enrol(ctx context.Context, r *remoteFile, j *vault.Join) error {
	auth, own, err := r.views(j)
	if err != nil {
		return err
	}
	defer auth.Close()
	defer own.Close()
	seq, err := j.Enrol(ctx, auth, own)
	if err != nil {
		return wrongPassword(err)
	}
	if err := r.write(s.c.Home); err != nil {
		return err
	}
	return s.seed(ctx, own, seq)
}

// views are the server as who has the password sees it, and as the device does.
func (r *remoteFile) views(j *vault.Join) (auth, own *httpblob.Store, err error) {
	if auth, err = r.connect(signerOf(j.Auth())); err != nil {
		return nil, nil, err
	}
	own, err = r.connect(signerOf(j.Device()))
	return auth, own, err
}

// wrongPassword tells a server that does not know the key of a password from
// one that refuses it otherwise.
func wrongPassword(err error) error {
	var refused *httpblob.RefusedError
	if errors.As(err, &refused) && refused.Code == wireblob.CodeUnknownKey {
		return vault.ErrPassword
	}
	return err
}

// seed fills the copy.
func (s *Server) seed(ctx context.Context, from blob.Store, seq uint64) error {
	local, ok := s.c.Store(s.storePath()).(mirror.Local)
	if !ok {
		return fmt.Errorf("fetch vault: %w", agent.ErrInternal)
	}
	return errors.Join(mirror.Seed(ctx, local, from, seq), local.Close())
}

// reseed fetches the copy again for a device that has lost it.
func (s *Server) reseed(ctx context.Context, r *remoteFile, password secret.Value) error {
	err := error(vault.ErrPassword)
	for suite := seal.Suite1; suite <= seal.NewestSuite && errors.Is(err, vault.ErrPassword); suite++ {
		var j *vault.Join
		if j, err = vault.Resume(s.c.Home, password, suite); err != nil {
			return err
		}
		err = s.fetch(ctx, r, j)
		j.Wipe()
	}
	return err
}

func (s *Server) fetch(ctx context.Context, r *remoteFile, j *vault.Join) error {
	auth, err := r.connect(signerOf(j.Auth()))
	if err != nil {
		return err
	}
	defer auth.Close()
	seq, err := j.OpenKey(ctx, auth)
	if err != nil {
		return wrongPassword(err)
	}
	own, err := r.connect(signerOf(j.Device()))
	if err != nil {
		return err
	}
	defer own.Close()
	return s.seed(ctx, own, seq)
}

// begin opens a vault that was just joined and leaves it open.
func (s *Server) begin(ctx context.Context, c *client, password secret.Value, op string) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	o, err := s.openVault(ctx, password, &s.mem)
	if err != nil {
		return err
	}
	if err = o.note(c.record(op, "", "JOINED", "")); err != nil {
		o.close(false)
		return err
	}
	s.setOpen(o, agent.TTLs{})
	return nil
}

// announce names a device that joined with the password in the vault, having
// checked who else is in it. Until that is done nothing is read or written.
func (s *Server) announce(ctx context.Context, o *opened) error {
	r := o.place.remote
	if r == nil || r.Announce == "" {
		return nil
	}
	if err := o.vault.Announce(ctx, r.Announce); err != nil {
		return err
	}
	r.Announce = ""
	return r.write(s.c.Home)
}

// An admission is this machine's request to be let in.
type admission struct {
	*vault.Admission
	remote *remoteFile
	id     string
}

// opJoinAsk asks the devices of a vault to let this machine in.
func (s *Server) opJoinAsk(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var a agent.Server
	if err := args(f, &a); err != nil {
		return answer{}, err
	}
	if s.hasVault() {
		return answer{}, vault.ErrVaultExists
	}
	id, err := hex.DecodeString(a.Vault)
	if err != nil || len(id) != 16 {
		return answer{}, &agent.Error{Err: agent.ErrUsage, Message: "join: which vault?", Advice: `"ov vault status" on a device that has it shows its id`}
	}
	r, err := s.meet(ctx, &a)
	if err != nil {
		return answer{}, err
	}
	r.Vault = a.Vault
	adm, err := vault.BeginAdmission(s.c.Home, [16]byte(id), a.Name)
	if err != nil {
		return answer{}, err
	}
	st, err := r.connect(signerOf(adm.Newcomer()))
	if err != nil {
		return answer{}, err
	}
	defer st.Close()
	asked, err := st.Ask(ctx, adm.Request().Bytes())
	if errors.Is(err, blob.ErrEmpty) {
		err = &agent.Error{Err: agent.ErrNoVault, Message: "join: the server has no vault " + a.Vault}
	}
	if err != nil {
		adm.Wipe()
		return answer{}, err
	}
	s.pagesMu.Lock()
	s.admission = &admission{adm, r, asked}
	s.pagesMu.Unlock()
	return answer{args: agent.DeviceRequest{Name: a.Name, Words: adm.Request().Words(), Expires: s.c.Now().Add(requestTime)}}, nil
}

const (
	requestTime = 10 * time.Minute // how long a server keeps a request
	replyPause  = 700 * time.Millisecond
)

// opJoinWait waits for the answer, and fetches the vault. It stays locked: the
// password was not given.
func (s *Server) opJoinWait(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	s.pagesMu.Lock()
	a := s.admission
	s.admission = nil
	s.pagesMu.Unlock()
	if a == nil {
		return answer{}, fmt.Errorf("join: %w: nothing was asked for", agent.ErrUsage)
	}
	defer a.Wipe()
	reply, err := s.awaitReply(ctx, a.remote, a.Newcomer(), a.id)
	if err != nil {
		return answer{}, err
	}
	if err := os.MkdirAll(s.c.Home, 0o700); err != nil {
		return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "join: " + err.Error()}
	}
	seq, err := a.Accept(reply)
	if err != nil {
		return answer{}, err
	}
	if err := a.remote.write(s.c.Home); err != nil {
		return answer{}, err
	}
	own, err := a.remote.connect(signerOf(a.Device()))
	if err != nil {
		return answer{}, err
	}
	defer own.Close()
	return answer{args: a.remote.status()}, s.seed(ctx, own, seq)
}

func (s *Server) awaitReply(ctx context.Context, r *remoteFile, as vault.Signer, id string) ([]byte, error) {
	st, err := r.connect(signerOf(as))
	if err != nil {
		return nil, err
	}
	defer st.Close()
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	for {
		reply, err := st.TakeReply(ctx, id)
		if !errors.Is(err, blob.ErrNotFound) && !offline(err) {
			return reply, err
		}
		select {
		case <-ctx.Done():
			return nil, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: no device of the vault answered", agent.ErrDenied), Advice: `ask again; on the other device: "ov device approve"`}
		case <-time.After(replyPause):
		}
	}
}

package serve

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// memberName is the file of a home that reads an environment of somebody else's
// vault: what opens it, sealed under a password of the member's own.
const memberName = "member"

// A memberFile holds a machine key in the place of a vault's device file. The
// Secret Key beside the slot is for this file alone.
type memberFile struct {
	SecretKey string `json:"secret_key"` // hex
	Slot      string `json:"slot"`       // hex, of a password, as a vault has one
	Sealed    string `json:"sealed"`     // hex, the key, under what the slot opens
	CA        string `json:"ca,omitempty"`
}

// memberPlace is where what a member file holds belongs: to no vault.
func memberPlace() seal.Place { return seal.Place{} }

// hasMember reports whether the home reads somebody else's vault.
func (s *Server) hasMember() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, memberName))
	return err == nil
}

// onlyMember reports whether this home reads a shared environment and has no
// vault.
func (s *Server) onlyMember() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, "device"))
	return err != nil && s.hasMember()
}

// sealMember writes the member file anew, under vk.
func (m *memberFile) seal(vk []byte, key secret.Value) {
	sub := seal.Subkey(vk, "member")
	defer clear(sub)
	m.Sealed = hex.EncodeToString(seal.SealBox(sub, memberPlace(), seal.FieldDevice, plainOf(key)))
}

// newMemberFile seals key under password.
func newMemberFile(password, key secret.Value) (*memberFile, error) {
	sk, vk := seal.NewKey(seal.SecretKeySize), seal.NewKey(seal.KeySize)
	defer clear(sk)
	defer clear(vk)
	master, err := seal.Derive(password, sk, seal.VaultID{}, seal.Suite1)
	if err != nil {
		return nil, err
	}
	defer master.Wipe()
	m := &memberFile{SecretKey: hex.EncodeToString(sk), Slot: hex.EncodeToString(seal.SealSlot(master, seal.VaultID{}, seal.Suite1, seal.ID{}, 1, vk))}
	m.seal(vk, key)
	return m, nil
}

// open opens the member file: vk seals it anew.
func (m *memberFile) open(password secret.Value) (vk []byte, key secret.Value, err error) {
	sk, err1 := hex.DecodeString(m.SecretKey)
	slot, err2 := hex.DecodeString(m.Slot)
	sealed, err3 := hex.DecodeString(m.Sealed)
	if errors.Join(err1, err2, err3) != nil {
		return nil, key, &agent.Error{Err: agent.ErrCorrupt, Message: "read what opens the shared environment: " + agent.ErrCorrupt.Error(), Advice: "ask for it again"}
	}
	defer clear(sk)
	parsed, err := seal.ParseSlot(slot)
	if err != nil || parsed.Suite != seal.Suite1 {
		return nil, key, vault.ErrTampered
	}
	master, err := seal.Derive(password, sk, seal.VaultID{}, seal.Suite1)
	if err != nil {
		return nil, key, err
	}
	defer master.Wipe()
	if vk, err = parsed.Open(master, seal.VaultID{}, seal.ID{}, 1); err != nil {
		return nil, key, vault.ErrPassword
	}
	sub := seal.Subkey(vk, "member")
	defer clear(sub)
	plain, err := seal.OpenBox(sub, memberPlace(), seal.FieldDevice, sealed)
	if err != nil {
		return nil, key, vault.ErrTampered
	}
	return vk, secret.New(plain), nil
}

func (s *Server) readMember() (*memberFile, error) {
	b, err := os.ReadFile(filepath.Join(s.c.Home, memberName))
	if err != nil {
		return nil, err
	}
	m := &memberFile{}
	if json.Unmarshal(b, m) != nil {
		return nil, &agent.Error{Err: agent.ErrCorrupt, Message: "read what opens the shared environment: " + agent.ErrCorrupt.Error(), Advice: "ask for it again"}
	}
	return m, nil
}

func (m *memberFile) write(home string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(home, memberName, append(b, '\n'))
}

// openMember opens the environment that this home was let into. What was seen
// of it is remembered in the member file: nothing older is believed next time.
func (s *Server) openMember(ctx context.Context, password secret.Value, mem *lockmem.Arena) (*opened, error) {
	m, err := s.readMember()
	if err != nil {
		return nil, err
	}
	vk, text, err := m.open(password)
	if err != nil {
		return nil, err
	}
	defer clear(vk)
	defer text.Wipe()
	key, err := vault.ReadMachineKey(text)
	if err != nil {
		return nil, err
	}
	o, err := s.openMachine(ctx, key, mem)
	if err != nil {
		key.Wipe()
		return nil, err
	}
	if seen, more := o.vault.Seen(); more {
		defer seen.Wipe()
		m.seal(vk, seen)
		if err := m.write(s.c.Home); err != nil {
			o.close(false)
			return nil, err
		}
	}
	return o, nil
}

// An asking is this machine's own request for an environment.
type asking struct {
	*vault.Member
	remote *remoteFile
	id     string
}

// opShareAsk asks the owner of a vault for an environment of it.
func (s *Server) opShareAsk(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var a agent.Server
	if err := args(f, &a); err != nil {
		return answer{}, err
	}
	if s.hasVault() {
		return answer{}, &agent.Error{Err: agent.ErrVaultExists, Message: fmt.Sprintf("ask for an environment: %v: %s", agent.ErrVaultExists, s.c.Home), Advice: "a shared environment has a home of its own: --home FOLDER"}
	}
	id, err := hex.DecodeString(a.Vault)
	if err != nil || len(id) != 16 {
		return answer{}, &agent.Error{Err: agent.ErrUsage, Message: "ask for an environment: which vault?", Advice: `its owner sees the id in "ov vault status"`}
	}
	r, err := s.meet(ctx, &a)
	if err != nil {
		return answer{}, err
	}
	r.Vault = a.Vault
	m, err := vault.NewMember([16]byte(id), a.Name)
	if err != nil {
		return answer{}, err
	}
	st, err := r.connect(signerOf(m.Newcomer()))
	if err != nil {
		return answer{}, err
	}
	defer st.Close()
	asked, err := st.Ask(ctx, m.Request().Bytes())
	if errors.Is(err, blob.ErrEmpty) {
		err = &agent.Error{Err: agent.ErrNoVault, Message: "ask for an environment: the server has no vault " + a.Vault}
	}
	if err != nil {
		m.Wipe()
		return answer{}, err
	}
	s.pagesMu.Lock()
	s.asking = &asking{m, r, asked}
	s.pagesMu.Unlock()
	return answer{args: agent.DeviceRequest{Name: m.Request().Name, Words: m.Request().Words(), Expires: s.c.Now().Add(requestTime)}}, nil
}

// opShareWait waits for the invitation and seals it under a password of the
// member's own.
func (s *Server) opShareWait(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	kind, err := passwordArgs(f, nil)
	if err != nil {
		return answer{}, err
	}
	s.pagesMu.Lock()
	a := s.asking
	s.asking = nil
	s.pagesMu.Unlock()
	if a == nil {
		return answer{}, fmt.Errorf("ask for an environment: %w: nothing was asked for", agent.ErrUsage)
	}
	defer a.Wipe()
	reply, err := s.awaitReply(ctx, a.remote, a.Newcomer(), a.id)
	if err != nil {
		return answer{}, err
	}
	key, err := a.Accept(reply)
	if err != nil {
		return answer{}, err
	}
	defer key.Wipe()
	password, err := s.newPassword(ctx, f.Files[0], kind)
	if err != nil {
		return answer{}, err
	}
	defer password.Wipe()
	m, err := newMemberFile(password, key)
	if err != nil {
		return answer{}, err
	}
	m.CA = a.remote.CA
	if err := os.MkdirAll(s.c.Home, 0o700); err != nil {
		return answer{}, &agent.Error{Err: agent.ErrStorage, Message: "ask for an environment: " + err.Error()}
	}
	if err := m.write(s.c.Home); err != nil {
		return answer{}, err
	}
	k, err := vault.ReadMachineKey(key)
	if err != nil {
		return answer{}, err
	}
	defer k.Wipe()
	app, env := k.Space()
	return answer{args: agent.Machine{Name: k.Name(), App: app, Env: env}, after: giveBack}, nil
}

// opShare lets the person who shows certain words read an environment.
func (s *Server) opShare(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.ShareRequest
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if r.Words == "" {
		return answer{}, fmt.Errorf("share: %w: with whom?", agent.ErrUsage)
	}
	var out agent.Machine
	prompt := fmt.Sprintf("Master password, to share %s/%s with %s: ", clean(r.App), clean(r.Env), clean(r.Words))
	err = s.ask(ctx, f.Files[0], kind, prompt, func(p secret.Value) error {
		return s.withVault(ctx, p, func(o *opened) (err error) {
			out, err = s.share(ctx, c, o, &r)
			return err
		})
	})
	return answer{args: out, after: giveBack}, err
}

func (s *Server) share(ctx context.Context, c *client, o *opened, r *agent.ShareRequest) (agent.Machine, error) {
	list, err := o.place.requests(ctx)
	if err != nil {
		return agent.Machine{}, err
	}
	i := slices.IndexFunc(list, func(w waiting) bool { return w.asks.Words() == r.Words && w.asks.IsMember() })
	if i < 0 {
		return agent.Machine{}, &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("share: nobody with the words %s asks for an environment", clean(r.Words)),
			Advice: `they run "ov share ask"; a request is kept for ten minutes`}
	}
	w := list[i]
	name := r.Name
	if name == "" {
		name = w.asks.Name
	}
	note := c.record("share", r.App+"/"+r.Env, "ALLOWED", name)
	if err := o.note(note); err != nil {
		return agent.Machine{}, err
	}
	order := vault.MachineOrder{Name: name, App: r.App, Env: r.Env, NotAfter: r.NotAfter, URL: o.place.remote.URL, ServerKey: o.place.remote.Key}
	invitation, made, err := o.vault.Share(ctx, w.asks, order)
	if err != nil {
		return agent.Machine{}, err
	}
	return publicMachine(made), o.place.server.Reply(ctx, w.ID, invitation)
}

func (s *Server) opMembers(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	list, err := o.vault.Members(ctx)
	out := make([]agent.Machine, len(list))
	for i, m := range list {
		out[i] = publicMachine(m)
	}
	return answer{args: out}, err
}

// opShareRevoke ends a member's access, by name or id.
func (s *Server) opShareRevoke(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r struct {
		Member string `json:"member"`
	}
	var out agent.Machine
	a, err := s.freshOp(ctx, c, f, "share_revoke", &r, func(o *opened, _ secret.Value) error {
		list, err := o.vault.Members(ctx)
		if err != nil {
			return err
		}
		for _, m := range list {
			if m.ID == r.Member || m.Name == r.Member {
				out = publicMachine(m)
				return o.vault.RevokeMember(ctx, m.ID, recorded)
			}
		}
		return &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("revoke member %q: %v", clean(r.Member), agent.ErrNotFound), Advice: `"ov share list" shows them`}
	})
	a.args = out
	return a, err
}

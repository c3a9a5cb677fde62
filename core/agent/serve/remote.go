package serve

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
	"github.com/opaquevault/ov/core/vault/mirror"
)

// A signer signs requests to a vault's server. Until it is set there is no key
// to sign with: the vault is not open yet.
type signer struct {
	mu sync.Mutex
	is vault.Signer
	ok bool
}

func (s *signer) set(v vault.Signer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.is, s.ok = v, true
}

func (s *signer) get() (vault.Signer, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.is, s.ok
}

func signerOf(v vault.Signer) *signer {
	s := &signer{}
	s.set(v)
	return s
}

// Key implements channel.Signer.
func (s *signer) Key() channel.KeyID {
	is, _ := s.get()
	k := channel.KeyID{Role: channel.RoleDevice}
	switch is.Kind {
	case vault.SignAuth:
		k.Role = channel.RoleAuth
	case vault.SignMachine:
		k.Role = channel.RolePrincipal
	case vault.SignNew:
		k.Role = channel.RoleNew
	}
	if copy(k.ID[:], is.ID) == 0 {
		copy(k.ID[:], is.Public)
	}
	return k
}

// Sign implements channel.Signer.
func (s *signer) Sign(message []byte) ([]byte, error) {
	is, ok := s.get()
	if !ok {
		return nil, vault.ErrClosed
	}
	return is.Sign(message)
}

// offline tells a server that cannot be reached, or is overrun, from one that
// answers what it must not: then the copy of the vault is read.
func offline(err error) bool {
	return errors.Is(err, httpblob.ErrOffline) || errors.Is(err, httpblob.ErrRate) || errors.Is(err, context.DeadlineExceeded)
}

// A place is the store of a vault with its connection to a server, if it has one.
type place struct {
	blob.Store
	remote *remoteFile     // nil: this machine alone
	served bool            // it is the copy of a server's all the same, which is about to be met anew
	mirror *mirror.Store   // the store, if there is a server
	server *httpblob.Store // its own connection
	signer *signer
	part   *mirror.Part // the store of a shared environment: its owner's server, and a copy
}

// place opens the home's store. A server is not asked before the vault is open.
func (s *Server) place() (*place, error) {
	r, err := readRemote(s.c.Home)
	if err != nil {
		return nil, err
	}
	return s.placeAt(r)
}

func (s *Server) placeAt(r *remoteFile) (*place, error) {
	store := s.c.Store(s.storePath())
	if r == nil {
		return &place{Store: store}, nil
	}
	p := &place{remote: r, signer: &signer{}}
	local, ok := store.(mirror.Local)
	if !ok {
		return nil, fmt.Errorf("open store: it cannot hold the copy of a server's: %w", agent.ErrInternal)
	}
	o, err := r.options(p.signer)
	if err != nil {
		return nil, err
	}
	if p.server, err = httpblob.New(o); err != nil {
		return nil, &agent.Error{Err: agent.ErrUsage, Message: err.Error()}
	}
	p.mirror = mirror.New(local, p.server, mirror.Options{Offline: offline, Stamp: filepath.Join(s.c.Home, syncedName), Now: s.c.Now, Held: true})
	p.Store = p.mirror
	return p, nil
}

// release lets the server be asked, now that v signs.
func (p *place) release(v *vault.Vault) {
	if p.mirror != nil {
		p.signer.set(v.Signer())
		p.mirror.Release()
	}
}

// status describes the connection, for people and for ov status.
func (p *place) status() *agent.RemoteStatus {
	if p == nil || p.remote == nil {
		return nil
	}
	st := p.mirror.State()
	out := p.remote.status()
	out.Synced, out.Behind = st.Contact, st.Behind
	switch {
	case !st.Asked:
	case st.Online:
		out.State = agent.RemoteOnline
	case offline(st.Problem):
		out.State, out.Problem = agent.RemoteOffline, oneLine(st.Problem.Error())
	default:
		out.State, out.Problem = agent.RemoteRefused, oneLine(st.Problem.Error())
	}
	return out
}

func (r *remoteFile) status() *agent.RemoteStatus {
	out := &agent.RemoteStatus{URL: r.URL, Vault: r.Vault, State: agent.RemoteUnknown}
	if len(r.Key) > 0 {
		out.Words = seal.Words(r.Key)
	}
	return out
}

// remoteStatus describes the connection of the open vault, which it looks at, or
// what the files say. It is no use of the vault.
func (s *Server) remoteStatus(ctx context.Context) *agent.RemoteStatus {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if s.state.open != nil {
		if m := s.state.open.place.mirror; m != nil {
			m.Look(ctx) // what was found is in the status
		}
		return s.state.open.place.status()
	}
	r, err := readRemote(s.c.Home)
	if err != nil {
		return &agent.RemoteStatus{URL: "not known", State: agent.RemoteRefused, Problem: oneLine(err.Error())}
	}
	if r == nil {
		return nil
	}
	out := r.status()
	out.Synced = mirror.Stamped(filepath.Join(s.c.Home, syncedName))
	return out
}

// notice says, for the person, that an answer comes from a copy of some age.
func (s *Server) notice() string {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if s.state.open == nil {
		return ""
	}
	synced, away := s.state.open.place.away()
	switch {
	case !away:
		return ""
	case synced.IsZero():
		return "the server cannot be reached: this is the copy on this machine"
	}
	return fmt.Sprintf("the server cannot be reached: this is the copy of %s, %s old", synced.Local().Format(time.DateTime), age(s.c.Now().Sub(synced)))
}

// away reports whether a copy is read in the place of a server, and as of when.
func (p *place) away() (synced time.Time, away bool) {
	if p != nil && p.part != nil {
		return p.part.Away()
	}
	st := p.status()
	if st == nil {
		return time.Time{}, false
	}
	return st.Synced, st.State == agent.RemoteOffline
}

// known is the version of a secret that this device has heard of, before the
// server is asked; nil where there is none to hear of.
func (s *Server) known(ref secret.Ref) *uint64 {
	o, done, err := s.use()
	if err != nil {
		return nil
	}
	defer done()
	if o.place.mirror == nil {
		return nil
	}
	n := o.vault.Known(ref)
	return &n
}

// age is a duration that people read.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(max(d, 0).Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// opSync takes over what is new on the server, now.
func (s *Server) opSync(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	if o.member != nil {
		report, err := o.look(ctx)
		return answer{args: report}, err
	}
	if o.place == nil || o.place.mirror == nil {
		return answer{}, noServer("sync")
	}
	before := o.vault.Seq()
	if err := o.place.mirror.Sync(ctx); err != nil {
		return answer{}, err
	}
	if _, err := o.vault.Spaces(ctx); err != nil { // it verifies what came
		return answer{}, err
	}
	return answer{args: agent.SyncReport{Remote: *o.place.status(), From: before, To: o.vault.Seq()}}, nil
}

func noServer(what string) error {
	return &agent.Error{Err: agent.ErrUsage, Message: what + ": this vault is on this machine alone", Advice: `"ov vault push --server URL" puts it on a server`}
}

// opDevices lists who may read and write the vault.
func (s *Server) opDevices(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	devices, err := o.vault.Devices(ctx)
	out := make([]agent.Device, len(devices))
	for i, d := range devices {
		out[i] = agent.Device{ID: d.ID, Name: d.Name, Words: d.Words(), Added: d.Added, By: d.By, This: d.This}
	}
	return answer{args: out}, err
}

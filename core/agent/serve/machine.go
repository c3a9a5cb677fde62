package serve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// opMachineNew makes a machine key and writes it to the second descriptor: no
// client sees it.
func (s *Server) opMachineNew(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.MachineRequest
	if len(f.Files) < 2 {
		return answer{}, fmt.Errorf("machine key: %w: nowhere to write it", agent.ErrUsage)
	}
	var out agent.Machine
	a, err := s.freshOp(ctx, c, f, "machine_new", &r, func(o *opened, _ secret.Value) error {
		order := vault.MachineOrder{Name: r.Name, App: r.App, Env: r.Env, NotAfter: r.NotAfter}
		if o.place.remote != nil {
			order.URL, order.ServerKey = o.place.remote.URL, o.place.remote.Key
		}
		key, made, err := o.vault.NewMachine(ctx, order)
		if err != nil {
			return err
		}
		defer key.Wipe()
		out = publicMachine(made)
		if err := writeLine(f.Files[1], key); err != nil {
			return &agent.Error{Err: agent.ErrStorage, Message: "the machine key could not be written: " + err.Error(),
				Advice: fmt.Sprintf(`"ov auth revoke %s", and make it again`, r.Name)}
		}
		f.Files[1].Sync() // fails on a pipe, where there is nothing to sync
		return nil
	})
	a.args = out
	return a, err
}

func publicMachine(m vault.Machine) agent.Machine {
	return agent.Machine{ID: m.ID, Name: m.Name, App: m.App, Env: m.Env, Role: roleOf(m.Role), Added: m.Added, NotAfter: m.NotAfter, By: m.By}
}

func (s *Server) opMachines(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	list, err := o.vault.Machines(ctx)
	out := make([]agent.Machine, len(list))
	for i, m := range list {
		out[i] = publicMachine(m)
	}
	return answer{args: out}, err
}

// opMachineRevoke takes a machine key's access, by its name or id.
func (s *Server) opMachineRevoke(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r struct {
		Machine string `json:"machine"`
	}
	var out agent.Machine
	a, err := s.freshOp(ctx, c, f, "machine_revoke", &r, func(o *opened, _ secret.Value) error {
		list, err := o.vault.Machines(ctx)
		if err != nil {
			return err
		}
		for _, m := range list {
			if m.ID == r.Machine || m.Name == r.Machine {
				out = publicMachine(m)
				return o.vault.RevokeMachine(ctx, m.ID, recorded)
			}
		}
		return &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("revoke machine key %q: %v", clean(r.Machine), agent.ErrNotFound), Advice: `"ov auth list" shows them`}
	})
	a.args = out
	return a, err
}

// unlockMachine opens one environment with a machine key. Only the agent of one
// command does: one that serves everybody is not the machine.
func (s *Server) unlockMachine(ctx context.Context, c *client, f *os.File) error {
	if !s.c.OneShot {
		return &agent.Error{Err: agent.ErrUsage, Message: "unlock: a machine key opens the vault for one command, not for everybody"}
	}
	text, err := readAll(ctx, f, maxIdentity)
	if err != nil {
		return err
	}
	defer text.Wipe()
	key, err := vault.ReadMachineKey(text)
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	o, err := s.openMachine(ctx, key, "", &s.mem)
	if err != nil {
		key.Wipe()
		return err
	}
	if !c.actor.MCP() { // a coding agent stays one, whatever key is in its environment
		c.actor.Client = "machine:" + clean(key.Name())
	}
	s.setOpen(o, agent.TTLs{})
	return nil
}

// openMachine opens the vault where the key says that it is: on its server, or
// in this home. What is done is on record in this home all the same. ca is the
// server's certificate, if that is known.
func (s *Server) openMachine(ctx context.Context, key *vault.MachineKey, ca string, mem *lockmem.Arena) (*opened, error) {
	store, err := s.machinePlace(key, ca)
	if err != nil {
		return nil, err
	}
	return s.openAs(ctx, key, store, mem)
}

// openAs opens with key what is in store.
func (s *Server) openAs(ctx context.Context, key *vault.MachineKey, store *place, mem *lockmem.Arena) (*opened, error) {
	v, err := key.Open(ctx, store, vault.Options{Alloc: mem.Alloc})
	if err != nil {
		store.Close()
		mem.Wipe()
		return nil, err
	}
	dir := filepath.Join(s.c.Home, "machines", v.Device(), "audit")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		v.Close()
		store.Close()
		mem.Wipe()
		return nil, fmt.Errorf("%w: %w", audit.ErrAudit, err)
	}
	return s.logged(v, store, dir, mem)
}

func (s *Server) machinePlace(key *vault.MachineKey, ca string) (*place, error) {
	url, pinned := key.Server()
	if url == "" {
		if !s.hasStore() {
			return nil, &agent.Error{Err: agent.ErrNoVault, Message: fmt.Sprintf("machine key %q is of a vault on one machine, and %s holds none", key.Name(), s.c.Home),
				Advice: "set OV_HOME to its folder; a vault on a server opens anywhere"}
		}
		return &place{Store: s.c.Store(s.storePath())}, nil
	}
	id := key.Vault()
	r := &remoteFile{URL: url, Vault: fmt.Sprintf("%x", id), Key: pinned, CA: ca}
	// A home that knows this server knows its certificate, too.
	if known, err := readRemote(s.c.Home); err == nil && known != nil && known.URL == url && ca == "" {
		r.CA = known.CA
	}
	if path := filepath.Join(s.c.Home, "server-ca.pem"); r.CA == "" {
		if pem, err := os.ReadFile(path); err == nil {
			r.CA = string(pem)
		}
	}
	st, err := r.connect(signerOf(key.Signer()))
	if err != nil {
		return nil, err
	}
	return &place{Store: st}, nil
}

package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob/httpblob"
	wireblob "github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A waiting is a device's request, as it lies on the server.
type waiting struct {
	wireblob.Request
	asks *seal.Request
}

// requests reads who asks to be let in. What is no request of this vault, or was
// not signed by the key that it names, is left out.
func (p *place) requests(ctx context.Context) ([]waiting, error) {
	if p == nil || p.server == nil {
		return nil, noServer("read requests")
	}
	list, err := p.server.Requests(ctx)
	if err != nil {
		return nil, err
	}
	var out []waiting
	for _, r := range list {
		asks, err := seal.ParseRequest(r.Body)
		if err == nil && asks.Vault == p.remote.id() && r.Key == fmt.Sprintf("new:%x", asks.Sign) {
			out = append(out, waiting{r, asks})
		}
	}
	return out, nil
}

func (s *Server) opRequests(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	list, err := o.place.requests(ctx)
	out := make([]agent.DeviceRequest, len(list))
	for i, w := range list {
		out[i] = agent.DeviceRequest{Name: oneLine(w.asks.Name), Words: w.asks.Words(), Expires: time.UnixMilli(w.Expires), Member: w.asks.IsMember()}
	}
	return answer{args: out}, err
}

// opDeviceApprove lets in the device that shows certain words. They name the
// request: who approves has compared them.
func (s *Server) opDeviceApprove(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a struct {
		Words string `json:"words"`
	}
	kind, err := passwordArgs(f, &a)
	if err != nil {
		return answer{}, err
	}
	if a.Words == "" {
		return answer{}, fmt.Errorf("approve device: %w: which one?", agent.ErrUsage)
	}
	var out agent.Device
	prompt := fmt.Sprintf("Master password, to let in the device %s: ", clean(a.Words))
	err = s.ask(ctx, f.Files[0], kind, prompt, func(p secret.Value) error {
		return s.withVault(ctx, p, func(o *opened) (err error) {
			out, err = s.approveDevice(ctx, c, o, p, a.Words)
			return err
		})
	})
	return answer{args: out, after: giveBack}, err
}

func (s *Server) approveDevice(ctx context.Context, c *client, o *opened, p secret.Value, words string) (agent.Device, error) {
	list, err := o.place.requests(ctx)
	if err != nil {
		return agent.Device{}, err
	}
	i := slices.IndexFunc(list, func(w waiting) bool { return w.asks.Words() == words && !w.asks.IsMember() })
	if i < 0 {
		return agent.Device{}, &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("approve device: nobody with the words %s asks", clean(words)),
			Advice: `"ov device list" shows who does; a request is kept for ten minutes`}
	}
	w := list[i]
	if err := o.note(c.record("device_approve", "", "ALLOWED", w.asks.Name)); err != nil {
		return agent.Device{}, err
	}
	reply, err := o.vault.Approve(ctx, p, w.asks)
	if err != nil {
		return agent.Device{}, err
	}
	if err := o.place.server.Reply(ctx, w.ID, reply); err != nil {
		return agent.Device{}, err
	}
	return agent.Device{ID: fmt.Sprintf("%x", w.asks.Device), Name: w.asks.Name, Words: words}, nil
}

// opDeviceRevoke takes a device out of the vault.
func (s *Server) opDeviceRevoke(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a struct {
		Device string `json:"device"`
	}
	var out agent.Device
	ans, err := s.freshOp(ctx, c, f, "device_revoke", &a, func(o *opened, _ secret.Value) error {
		devices, err := o.vault.Devices(ctx)
		if err != nil {
			return err
		}
		var found []vault.Device
		for _, d := range devices {
			if d.ID == a.Device || d.Name == a.Device || len(a.Device) >= 8 && len(d.ID) > len(a.Device) && d.ID[:len(a.Device)] == a.Device {
				found = append(found, d)
			}
		}
		if len(found) != 1 {
			return &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("revoke device %q: %d devices are called so", clean(a.Device), len(found)), Advice: `"ov device list" shows their ids`}
		}
		out = agent.Device{ID: found[0].ID, Name: found[0].Name, Words: found[0].Words()}
		return o.vault.RevokeDevice(ctx, found[0].ID)
	})
	ans.args = out
	return ans, err
}

// opPush puts the vault on a server. The open one, which knows of none, is locked.
func (s *Server) opPush(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var a agent.Server
	kind, err := passwordArgs(f, &a)
	if err != nil {
		return answer{}, err
	}
	r, err := s.meet(ctx, &a)
	if err != nil {
		return answer{}, err
	}
	err = s.ask(ctx, f.Files[0], kind, "Master password: ", func(p secret.Value) error {
		s.fresh.Lock()
		defer s.fresh.Unlock()
		o, err := s.openCopy(ctx, p, &s.freshMem) // a server that it is on already may have lost it
		lost := errors.Is(err, errNoRemote)
		if lost {
			o, err = s.openAt(ctx, &place{Store: s.c.Store(s.storePath()), served: true}, p, &s.freshMem)
		}
		if err != nil {
			return err
		}
		defer o.close(false)
		if err := o.note(c.record("vault_push", "", "ALLOWED", r.URL)); err != nil {
			return err
		}
		return s.push(ctx, r, o, lost)
	})
	if err != nil {
		return answer{}, err
	}
	shut := s.shutting()
	shut.args = struct {
		*agent.RemoteStatus
		wire.Shut
	}{r.status(), shut.args.(wire.Shut)}
	return shut, nil
}

// push puts o on the server of r. A vault that is there already is met anew if
// this home has it from there; lost says that it has, and forgot from where.
func (s *Server) push(ctx context.Context, r *remoteFile, o *opened, lost bool) error {
	r.Vault = o.vault.ID()
	opts, err := r.options(signerOf(o.vault.Signer()))
	if err != nil {
		return err
	}
	if opts.Locator, err = o.vault.Locator(); err != nil {
		return err
	}
	to, err := httpblob.New(opts)
	if err != nil {
		return err
	}
	defer to.Close()
	err = o.vault.Push(ctx, to)
	if was := o.place.remote; errors.Is(err, vault.ErrConflict) && (lost || was != nil && was.Vault == r.Vault) {
		return r.write(s.c.Home) // it is there: the server was met anew, under another address or with another key
	}
	if errors.Is(err, vault.ErrConflict) {
		return &agent.Error{Err: agent.ErrVaultExists, Message: fmt.Sprintf("push vault: %s has it already", r.URL), Advice: `"ov sync" takes over what is there; another machine joins with "ov vault join"`}
	}
	if err != nil {
		return err
	}
	return r.write(s.c.Home)
}

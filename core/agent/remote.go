package agent

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// A Server says which server a vault is, or will be, on.
type Server = wire.ServerArgs

// RemoteState says how things stand with a vault's server.
type RemoteState string

// The states.
const (
	RemoteUnknown RemoteState = "unknown" // it was not asked: the vault is locked
	RemoteOnline  RemoteState = "online"
	RemoteOffline RemoteState = "offline" // it cannot be reached: the copy is read
	RemoteRefused RemoteState = "refused" // it refuses this device, or says what cannot be
)

// A RemoteStatus describes the server of a vault.
type RemoteStatus struct {
	URL     string      `json:"url"`
	Vault   string      `json:"vault"`           // hex
	Words   string      `json:"words,omitempty"` // fingerprint of its pinned key
	State   RemoteState `json:"state"`
	Problem string      `json:"problem,omitempty"`
	Synced  time.Time   `json:"synced,omitzero"`  // the last good answer
	Behind  uint64      `json:"behind,omitempty"` // commits that it has and the copy has not
}

// A SyncReport is what Sync brought.
type SyncReport struct {
	Remote RemoteStatus `json:"remote"`
	From   uint64       `json:"from"` // commits
	To     uint64       `json:"to"`
}

// A Device may read and write the vault.
type Device struct {
	ID    string    `json:"id"`
	Name  string    `json:"name,omitempty"`
	Words string    `json:"words"` // its fingerprint
	Added time.Time `json:"added,omitzero"`
	By    string    `json:"by,omitempty"` // the device that let it in
	This  bool      `json:"this,omitempty"`
}

// A DeviceRequest is a device that asks to be let in.
type DeviceRequest struct {
	Name    string    `json:"name"`
	Words   string    `json:"words"` // to be compared with those that it shows
	Expires time.Time `json:"expires"`
	Member  bool      `json:"member,omitempty"` // a person who asks for an environment, and no device
}

// Sync takes over what is new on the vault's server.
func (c *Client) Sync(ctx context.Context) (SyncReport, error) {
	var r SyncReport
	_, err := c.call(ctx, wire.OpSync, nil, &r)
	return r, err
}

// Devices lists who may read and write the vault.
func (c *Client) Devices(ctx context.Context) ([]Device, error) {
	var out []Device
	_, err := c.call(ctx, wire.OpDevices, nil, &out)
	return out, err
}

// DeviceRequests lists the devices that ask to be let in.
func (c *Client) DeviceRequests(ctx context.Context) ([]DeviceRequest, error) {
	var out []DeviceRequest
	_, err := c.call(ctx, wire.OpRequests, nil, &out)
	return out, err
}

// ApproveDevice lets in the device that shows words. It needs the password afresh.
func (c *Client) ApproveDevice(ctx context.Context, words string) (Device, error) {
	var d Device
	f, err := c.fresh(ctx, wire.OpDeviceApprove, map[string]string{"words": words})
	if err == nil {
		err = json.Unmarshal(f.Args, &d)
	}
	return d, err
}

// RevokeDevice takes a device, by its id or its name, out of the vault. It needs
// the password afresh.
func (c *Client) RevokeDevice(ctx context.Context, device string) (Device, error) {
	var d Device
	f, err := c.fresh(ctx, wire.OpDeviceRevoke, map[string]string{"device": device})
	if err == nil {
		err = json.Unmarshal(f.Args, &d)
	}
	return d, err
}

// Push puts the vault of this machine on a server. It needs the password afresh.
func (c *Client) Push(ctx context.Context, server Server) (RemoteStatus, error) {
	var out RemoteStatus
	if !hasVault(c.o.Home) {
		return out, noVault(c.o.Home)
	}
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := c.withPassword(ctx, s, wire.OpPush, server)
	if err != nil {
		return out, err
	}
	err = json.Unmarshal(f.Args, &out)
	s.shut(f)
	c.mu.Lock()
	s.hello.Locked = true
	c.mu.Unlock()
	return out, err
}

// Join makes this machine a device of a vault on a server, with the recovery
// kit: from kit, or typed on the password's terminal when kit is nil.
func (c *Client) Join(ctx context.Context, server Server, kit *os.File) (RemoteStatus, error) {
	var out RemoteStatus
	if kit == nil && c.o.Password.Kind != PasswordTTY {
		return out, &Error{Err: ErrUsage, Message: "join: nowhere to read the recovery kit", Advice: "name its file with --kit FILE"}
	}
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := c.withPassword(ctx, s, wire.OpJoin, server, kit)
	if err != nil {
		return out, err
	}
	c.opened(s)
	return out, json.Unmarshal(f.Args, &out)
}

// opened notes that s has an open vault now.
func (c *Client) opened(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.hello.Locked = false
}

// JoinAsk asks a device of server.Vault to let this machine in, and returns what
// both are to show. JoinWait must follow on the same Client.
func (c *Client) JoinAsk(ctx context.Context, server Server) (DeviceRequest, error) {
	var r DeviceRequest
	s, err := c.any(ctx)
	if err != nil {
		return r, err
	}
	f, err := s.do(ctx, wire.OpJoinAsk, server, nil, nil)
	if err == nil {
		err = json.Unmarshal(f.Args, &r)
	}
	return r, err
}

// JoinWait waits until the request was answered, and fetches the vault.
func (c *Client) JoinWait(ctx context.Context) (RemoteStatus, error) {
	var out RemoteStatus
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := s.do(ctx, wire.OpJoinWait, nil, nil, nil)
	if err == nil {
		err = json.Unmarshal(f.Args, &out)
	}
	return out, err
}

// A MachineRequest says what machine key is to be made.
type MachineRequest struct {
	Name     string    `json:"name"`
	App      string    `json:"app"`
	Env      string    `json:"environment"`
	NotAfter time.Time `json:"not_after,omitzero"` // zero: no end
	Out      *os.File  `json:"-"`
}

// A Machine is a machine key that is let in, or a person.
type Machine struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	App      string    `json:"app"`
	Env      string    `json:"environment"`
	Role     Role      `json:"role,omitempty"` // of a person
	Added    time.Time `json:"added,omitzero"`
	NotAfter time.Time `json:"not_after,omitzero"`
	By       string    `json:"by,omitempty"`    // the device that let it in: its name, or its id where it has none any more
	Words    string    `json:"words,omitempty"` // of a person's keys
}

// NewMachine makes a machine key, which the agent writes to r.Out. It needs the
// password afresh.
func (c *Client) NewMachine(ctx context.Context, r MachineRequest) (Machine, error) {
	var m Machine
	f, err := c.fresh(ctx, wire.OpMachineNew, r, r.Out)
	if err == nil {
		err = json.Unmarshal(f.Args, &m)
	}
	return m, err
}

// Machines lists the machine keys.
func (c *Client) Machines(ctx context.Context) ([]Machine, error) {
	var out []Machine
	_, err := c.call(ctx, wire.OpMachines, nil, &out)
	return out, err
}

// RevokeMachine takes a machine key's access, by its name or its id. It needs
// the password afresh.
func (c *Client) RevokeMachine(ctx context.Context, machine string) (Machine, error) {
	var m Machine
	f, err := c.fresh(ctx, wire.OpMachineRevoke, map[string]string{"machine": machine})
	if err == nil {
		err = json.Unmarshal(f.Args, &m)
	}
	return m, err
}

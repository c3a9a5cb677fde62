package agent

import (
	"context"
	"encoding/json"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// A Role is what a person may do in an environment that is shared with them.
type Role string

// The roles.
const (
	RoleRead  Role = "read"
	RoleWrite Role = "write" // and read
)

// A ShareRequest says which environment is shared with whom.
type ShareRequest struct {
	App      string    `json:"app"`
	Env      string    `json:"environment"`
	Words    string    `json:"words"`             // that the person's machine shows
	Role     Role      `json:"role"`              // RoleRead or RoleWrite
	Name     string    `json:"name,omitempty"`    // what they are called here; as they call themselves otherwise
	Request  string    `json:"request,omitempty"` // as it came, as text; empty: it lies on the vault's server
	NotAfter time.Time `json:"not_after,omitzero"`
}

// A ShareAnswer says what was shared. Nothing in it is secret.
type ShareAnswer struct {
	Machine
	Invitation  string `json:"invitation,omitempty"` // as text, when the request came as text
	OwnerWords  string `json:"owner_words"`          // of this device: who accepts sees the same ones
	ServerWords string `json:"server_words"`
}

// Share lets a person into an environment. It needs the password afresh.
func (c *Client) Share(ctx context.Context, r ShareRequest) (ShareAnswer, error) {
	var out ShareAnswer
	f, err := c.fresh(ctx, wire.OpShare, r)
	if err == nil {
		err = json.Unmarshal(f.Args, &out)
	}
	return out, err
}

// Members lists the people that environments are shared with.
func (c *Client) Members(ctx context.Context) ([]Machine, error) {
	var out []Machine
	_, err := c.call(ctx, wire.OpMembers, nil, &out)
	return out, err
}

// RevokeMember ends a person's access, by name or id. It needs the password afresh.
func (c *Client) RevokeMember(ctx context.Context, member string) (Machine, error) {
	var m Machine
	f, err := c.fresh(ctx, wire.OpShareRevoke, map[string]string{"member": member})
	if err == nil {
		err = json.Unmarshal(f.Args, &m)
	}
	return m, err
}

// An AskRequest asks for an environment of somebody else's vault.
type AskRequest = wire.AskArgs

// An Asked is a request that was made: what both sides are to show.
type Asked struct {
	Words   string    `json:"words"`
	Text    string    `json:"text,omitempty"`   // for who is to share; nothing in it is secret
	Expires time.Time `json:"expires,omitzero"` // of one that lies on a server
}

// A Shared is an environment of somebody else's vault that this home uses, or
// has been invited to.
type Shared struct {
	App         string    `json:"app"`
	Env         string    `json:"environment"`
	Role        Role      `json:"role,omitempty"`
	Name        string    `json:"name"` // what its owner calls this home
	NotAfter    time.Time `json:"not_after,omitzero"`
	Words       string    `json:"words"` // of this home's keys, as the owner has them
	OwnerWords  string    `json:"owner_words,omitempty"`
	Server      string    `json:"server"`
	ServerWords string    `json:"server_words,omitempty"`
	Vault       string    `json:"vault"`           // hex
	Ended       bool      `json:"ended,omitempty"` // its owner has ended it, as the server said when it was asked last
}

// ShareAsk makes a request for an environment. Its keys are kept in the home,
// sealed under the home's password, which is chosen now unless it has one. Of a
// request by a server ShareAnswer must follow on the same Client.
func (c *Client) ShareAsk(ctx context.Context, a AskRequest) (Asked, error) {
	var out Asked
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := c.withPassword(ctx, s, wire.OpShareRequest, a)
	if err == nil {
		err = json.Unmarshal(f.Args, &out)
	}
	return out, err
}

// ShareAnswer waits for the invitation that answers ShareAsk. ShareKeep must
// follow on the same Client.
func (c *Client) ShareAnswer(ctx context.Context) (Shared, error) {
	return c.shared(ctx, wire.OpShareAnswer, nil)
}

// ShareOpen opens an invitation that came as text, with the home's password; it
// meets no server. Of server only CA and Words count. ShareKeep must follow on
// the same Client.
func (c *Client) ShareOpen(ctx context.Context, invitation string, server Server) (Shared, error) {
	var out Shared
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := c.withPassword(ctx, s, wire.OpShareOpen, wire.AcceptArgs{Invitation: invitation, Server: server})
	if err == nil {
		err = json.Unmarshal(f.Args, &out)
	}
	return out, err
}

// ShareKeep takes the invitation that was opened: it meets the server and keeps
// what opens the environment. ownerWords are those that the owner's machine
// shows: who calls this says that they were compared.
func (c *Client) ShareKeep(ctx context.Context, ownerWords string) (Shared, error) {
	return c.shared(ctx, wire.OpShareKeep, wire.KeepArgs{OwnerWords: ownerWords})
}

func (c *Client) shared(ctx context.Context, op string, args any) (Shared, error) {
	var out Shared
	s, err := c.any(ctx)
	if err != nil {
		return out, err
	}
	f, err := s.do(ctx, op, args, nil, nil)
	if err == nil {
		err = json.Unmarshal(f.Args, &out)
	}
	return out, err
}

// A Commit says who signed one change of the vault.
type Commit struct {
	Seq    uint64    `json:"seq"`
	Time   time.Time `json:"time"`
	Signer string    `json:"signer"`         // hex: a device's id, or the beginning of a member's
	Name   string    `json:"name,omitempty"` // of either
	Member bool      `json:"member,omitempty"`
	Role   Role      `json:"role,omitempty"` // of a member
}

// Commits lists the commits after since, the oldest first, as far back as they
// are kept. What it says is signed.
func (c *Client) Commits(ctx context.Context, since uint64) ([]Commit, error) {
	var out []Commit
	_, err := c.call(ctx, wire.OpCommits, map[string]uint64{"since": since}, &out)
	return out, err
}

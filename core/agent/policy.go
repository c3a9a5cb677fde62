package agent

import (
	"context"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// Policy returns the text of the vault's policy; own is false for the default.
func (c *Client) Policy(ctx context.Context) (text string, own bool, err error) {
	var out PolicyText
	_, err = c.call(ctx, wire.OpPolicyShow, nil, &out)
	return out.Text, out.Own, err
}

// PolicyText is a policy as it is stored.
type PolicyText struct {
	Text   string   `json:"text"`
	Own    bool     `json:"own"`
	Loosen Loosened `json:"loosen,omitzero"` // what it weakens; in answers alone
}

// Loosened is what the sealed policy weakens for whoever masks. Every field is
// its zero value unless somebody with the master password said otherwise.
type Loosened struct {
	FailOpen []string `json:"fail_open,omitempty"` // scanners that let pass what they fail on
}

// Loosened returns what the vault's policy weakens.
func (c *Client) Loosened(ctx context.Context) (Loosened, error) {
	var out PolicyText
	_, err := c.call(ctx, wire.OpPolicyShow, nil, &out)
	return out.Loosen, err
}

// SetPolicy stores a policy; it needs the password afresh.
func (c *Client) SetPolicy(ctx context.Context, text string) error {
	_, err := c.fresh(ctx, wire.OpPolicySet, PolicyText{Text: text})
	return err
}

// An Effect is what another policy would change, for people.
type Effect struct {
	Loosens []string       `json:"loosens"` // what it weakens beyond the built-in protection
	Changes []EffectChange `json:"changes"`
}

// An EffectChange is one answer that would be another one, for the secrets of
// one environment. Requests that name a program, arguments or a folder are not
// among what is tried: Explain is for these.
type EffectChange struct {
	Space   string   `json:"space"`
	Verb    string   `json:"verb"`
	Client  string   `json:"client"`
	Before  string   `json:"before"` // allowed, denied, asked (session) ...
	After   string   `json:"after"`
	Secrets []string `json:"secrets"` // names
}

// CheckPolicy parses text and says what it would change. Nothing is stored.
func (c *Client) CheckPolicy(ctx context.Context, text string) (Effect, error) {
	var e Effect
	_, err := c.call(ctx, wire.OpPolicyCheck, PolicyText{Text: text}, &e)
	return e, err
}

// A ReplayRequest is a policy and how much of the log it is held against: the
// last lines, 0 for as many as are looked at.
type ReplayRequest struct {
	Policy string `json:"policy"`
	Last   int    `json:"last,omitempty"`
}

// Replayed is a kind of use that is in the log, and what a policy would have said
// to it. The log does not hold commands: where these decide, Would says so.
type Replayed struct {
	Verb   string `json:"verb"`
	Client string `json:"client"`
	Space  string `json:"space"`
	Was    string `json:"was"`
	Would  string `json:"would"`
	Rule   string `json:"rule"`
	Times  int    `json:"times"`
}

// Replay says what a policy would have said to the uses in the log, the most
// frequent first.
func (c *Client) Replay(ctx context.Context, r ReplayRequest) ([]Replayed, error) {
	var out []Replayed
	_, err := c.call(ctx, wire.OpPolicyReplay, r, &out)
	return out, err
}

// An Explanation says what the policy makes of a request, rule by rule.
type Explanation struct {
	Ref      string        `json:"ref"`
	Steps    []ExplainStep `json:"steps"`
	Allow    bool          `json:"allow"`
	Approval string        `json:"approval"` // never, session, once, always
}

// An ExplainStep is one rule that does not fit, or the one that does.
type ExplainStep struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
	Fits bool   `json:"fits,omitempty"`
}

// An ExplainRequest is a use that is only asked about. With Policy set it is
// held against that text and not against the vault's.
type ExplainRequest struct {
	Verb   string       `json:"verb"`
	Client string       `json:"client,omitempty"` // empty: this client
	Grant  GrantRequest `json:"grant"`
	Policy string       `json:"policy,omitempty"`
}

// Explain says what the policy makes of each secret of a request.
func (c *Client) Explain(ctx context.Context, r ExplainRequest) ([]Explanation, error) {
	var out []Explanation
	r.Grant.Inherited = environment(r.Grant.Inherited)
	_, err := c.call(ctx, wire.OpPolicyExplain, r, &out)
	return out, err
}

// SetPIN sets the PIN for approvals: one from next, or, when next is none, one
// typed on the password's terminal. It needs the password afresh.
func (c *Client) SetPIN(ctx context.Context, next Password) error {
	f, err := next.openOr(ctx)
	if err != nil {
		return err
	}
	defer closeFile(f)
	_, err = c.fresh(ctx, wire.OpPINSet, map[string]bool{"remove": false}, f)
	return err
}

// RemovePIN takes the PIN away; it needs the password afresh.
func (c *Client) RemovePIN(ctx context.Context) error {
	_, err := c.fresh(ctx, wire.OpPINSet, map[string]bool{"remove": true})
	return err
}

// A Pending is a request that waits for approval.
type Pending struct {
	ID     string    `json:"id"`
	Client string    `json:"client"`
	Lines  []string  `json:"lines"` // what is asked for, for people
	Since  time.Time `json:"since"`
}

// Pending lists the requests that wait for approval.
func (c *Client) Pending(ctx context.Context) ([]Pending, error) {
	var out []Pending
	_, err := c.call(ctx, wire.OpPending, nil, &out)
	return out, err
}

// Approve lets one request through; the agent shows it where the password is
// asked for.
func (c *Client) Approve(ctx context.Context, id string) error {
	_, err := c.fresh(ctx, wire.OpApprove, map[string]string{"id": id})
	return err
}

// Refuse turns one request down.
func (c *Client) Refuse(ctx context.Context, id string) error {
	_, err := c.call(ctx, wire.OpRefuse, map[string]string{"id": id}, nil)
	return err
}

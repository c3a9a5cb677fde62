package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/page"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A PIN is a short word for a person who is asked often: it approves what the
// policy asks for once or for a session, outside of production, and nothing
// else. It opens nothing, and has nothing to do with the password but that this
// must be given to set it.

// maxPINTries is how many wrong PINs are taken before it is void. The count is
// in the vault, before a try is looked at: no kill and no edit resets it.
const maxPINTries = 5

// pinDoc is the sealed document.
type pinDoc struct {
	Salt  []byte `json:"salt"`
	Sum   []byte `json:"sum"`
	Wrong int    `json:"wrong"` // tries since the last right one
}

var errWrongPIN = errors.New("wrong PIN")

// pinSet reports whether there is one.
func (s *Server) pinSet(ctx context.Context) bool {
	o, done, err := s.use()
	if err != nil {
		return false
	}
	defer done()
	_, err = readPIN(ctx, o)
	return err == nil
}

// readPIN returns the document; vault.ErrNotFound when no PIN is set.
func readPIN(ctx context.Context, o *opened) (d pinDoc, err error) {
	text, err := o.vault.Sealed(ctx, vault.PIN)
	if err != nil {
		return d, err
	}
	if json.Unmarshal(text, &d) != nil {
		return d, fmt.Errorf("read PIN: %w", vault.ErrCorrupt)
	}
	if len(d.Sum) == 0 {
		return d, vault.ErrNotFound
	}
	return d, nil
}

func (d pinDoc) write(ctx context.Context, o *opened) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return o.vault.PutSealed(ctx, vault.PIN, text)
}

// tryPIN checks a PIN, and counts the try before it looks.
func (s *Server) tryPIN(ctx context.Context, pin secret.Value) error {
	s.pinMu.Lock()
	defer s.pinMu.Unlock()
	o, done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	d, err := readPIN(ctx, o)
	switch {
	case err != nil:
		return err
	case d.Wrong >= maxPINTries:
		return &agent.Error{Err: agent.ErrDenied, Message: "the PIN is void: it was wrong too often", Advice: `"ov policy pin" sets a new one; the master password works as ever`}
	}
	d.Wrong++
	if err := d.write(ctx, o); err != nil {
		return err
	}
	if !pinMatches(pin, d) {
		return fmt.Errorf("%w (%d more)", errWrongPIN, maxPINTries-d.Wrong)
	}
	d.Wrong = 0
	return d.write(ctx, o)
}

// opPINSet sets a PIN, or with none takes it away, for the password afresh.
func (s *Server) opPINSet(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	if err := s.personOnly(c, "set the PIN"); err != nil {
		return answer{}, err
	}
	var q struct{ Remove bool }
	return s.freshOp(ctx, c, f, "pin_set", &q, func(o *opened, password secret.Value) error {
		if q.Remove {
			return pinDoc{}.write(ctx, o)
		}
		if isPIN(password) {
			return &agent.Error{Err: agent.ErrUsage, Message: "set the PIN: the master password looks like one itself", Advice: "change it first: ov vault passwd"}
		}
		pin, err := s.newPIN(ctx, f.Files)
		if err != nil {
			return err
		}
		defer pin.Wipe()
		return setPIN(ctx, o, pin)
	})
}

func setPIN(ctx context.Context, o *opened, pin secret.Value) error {
	d := pinDoc{Salt: make([]byte, 16)}
	rand.Read(d.Salt)
	d.Sum = pinSum(pin, d.Salt)
	return d.write(ctx, o)
}

// newPIN gets a PIN: typed twice on the password's terminal, or from a second
// descriptor.
func (s *Server) newPIN(ctx context.Context, files []*os.File) (secret.Value, error) {
	if len(files) > 1 {
		pin, err := readPassword(ctx, files[1])
		if err == nil {
			err = checkPIN(pin)
		}
		return pin, err
	}
	t, err := newTerminal(files[0])
	if err != nil {
		return secret.Value{}, err
	}
	pin, err := t.secret(ctx, "New PIN, 6 to 12 digits: ")
	if err != nil {
		return pin, err
	}
	if err := checkPIN(pin); err != nil {
		return pin, err
	}
	again, err := t.secret(ctx, "Once more: ")
	if err != nil {
		return again, err
	}
	defer again.Wipe()
	if !same(pin, again) {
		return pin, &agent.Error{Err: agent.ErrUsage, Message: "these were two different PINs"}
	}
	return pin, nil
}

func checkPIN(pin secret.Value) error {
	if !isPIN(pin) {
		return &agent.Error{Err: agent.ErrUsage, Message: "a PIN has 6 to 12 digits, and more than two different ones"}
	}
	return nil
}

// takesPIN reports whether a PIN can allow r: neither each use, nor anything in
// production, unless the rule says so.
func (r *Request) takesPIN(how policy.Approval, byRule bool) bool {
	if how != policy.Once && how != policy.Session {
		return false
	}
	for _, ref := range r.Refs {
		if !byRule && (strings.HasPrefix(ref.Env, "prod") || strings.HasPrefix(ref.Env, "live")) {
			return false
		}
	}
	return true
}

// pinPage asks for the password and a new PIN.
func (s *Server) pinPage(c *client) (q page.Question, err error) {
	if err := s.personOnly(c, "set the PIN"); err != nil {
		return q, err
	}
	q = page.Question{Title: "A PIN for approvals", Value: "New PIN, 6 to 12 digits", Button: "Set", Done: "The PIN is set.",
		Lines: []string{"it allows what the policy asks for, outside of production", fmt.Sprintf("after %d wrong ones it is void", maxPINTries)}}
	q.Submit = func(ctx context.Context, a page.Answer) error {
		if err := checkPIN(a.Value); err != nil {
			return page.Retry{Err: err}
		}
		return s.onPage(a.Password, func(p secret.Value) error {
			if isPIN(p) {
				return &agent.Error{Err: agent.ErrUsage, Message: "the master password looks like a PIN itself"}
			}
			return s.withVault(ctx, p, func(o *opened) error {
				if err := o.note(c.record("pin_set", "", "ALLOWED", "")); err != nil {
					return err
				}
				return setPIN(ctx, o, a.Value)
			})
		})
	}
	return q, nil
}

// personOnly refuses a coding agent.
func (s *Server) personOnly(c *client, what string) error {
	if c.actor.MCP() {
		return &agent.Error{Err: agent.ErrDenied, Message: what + ": denied: a coding agent does not do that"}
	}
	if name := s.around(c.actor); name != "" {
		return &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%s: denied: a coding agent is running this (%s)", what, name),
			Advice: "use a terminal of your own, outside of it"}
	}
	return nil
}

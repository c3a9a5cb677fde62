package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// Init makes a vault. Where nobody can be asked (the password is not typed on
// a terminal) r.Kit must be set.
func (c *Client) Init(ctx context.Context, r InitRequest) error {
	if r.Kit == nil && c.o.Password.Kind != PasswordTTY {
		return &Error{Err: ErrUsage, Message: "nowhere to write the recovery kit", Advice: "name a file with --kit FILE"}
	}
	s, err := c.any(ctx)
	if err != nil {
		return err
	}
	if _, err = c.withPassword(ctx, s, wire.OpInit, r, r.Kit); err == nil {
		c.mu.Lock()
		s.hello.Locked = false
		c.mu.Unlock()
	}
	return err
}

// ByMachineKey reports whether a machine key stands in the place of a password:
// its vault is elsewhere, and no home need hold one.
func (c *Client) ByMachineKey() bool { return c.o.Password.Kind == PasswordMachine }

// Unlock gives the password to the long-lived agent, starting it if need be.
func (c *Client) Unlock(ctx context.Context, t TTLs) error {
	if c.o.Password.Kind == PasswordMachine {
		return notMachine()
	}
	if !hasVault(c.o.Home) {
		return noVault(c.o.Home)
	}
	s, err := c.running(ctx)
	if errors.Is(err, errNoAgent) {
		s, err = daemon(ctx, c.o)
	}
	if err != nil {
		return err
	}
	_, err = c.withPassword(ctx, s, wire.OpUnlock, t)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.daemon = s
	s.hello.Locked = err != nil
	return err
}

// Lock makes the long-lived agent forget its keys. That none runs is no error.
func (c *Client) Lock(ctx context.Context) error { return c.tell(ctx, wire.OpLock) }

func (c *Client) tell(ctx context.Context, op string) error {
	s, err := c.running(ctx)
	if errors.Is(err, errNoAgent) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := s.do(ctx, op, nil, nil, nil)
	if err == nil {
		s.shut(f)
	}
	return err
}

// Status describes the long-lived agent; Running is false when there is none.
func (c *Client) Status(ctx context.Context) (Status, error) {
	s, err := c.running(ctx)
	if errors.Is(err, errNoAgent) { // a one-shot agent of its own knows whether there is a vault
		if s, err = oneShot(ctx, c.o); err == nil {
			defer s.close()
		}
	}
	if err != nil {
		return Status{}, err
	}
	f, _, err := c.send(ctx, s, c.running, wire.OpStatus, nil)
	if err != nil {
		return Status{}, err
	}
	var st Status
	err = json.Unmarshal(f.Args, &st)
	return st, err
}

// MayPut asks whether r could be stored, before its value is read or made. It
// returns what Put would, and uses up no approval.
func (c *Client) MayPut(ctx context.Context, r PutRequest) error {
	r.From.Inherited = environment(r.From.Inherited)
	_, err := c.call(ctx, wire.OpMayPut, r, nil)
	return err
}

// Put stores r.Value, which stays the caller's to wipe.
func (c *Client) Put(ctx context.Context, r PutRequest) (Info, error) {
	var info Info
	r.From.Inherited = environment(r.From.Inherited)
	_, err := c.call(ctx, wire.OpPut, r, &info, r.Value)
	return info, err
}

// List describes the secrets of an app's environment whose names begin with
// prefix, in order of name.
func (c *Client) List(ctx context.Context, app, env, prefix string) ([]Info, error) {
	var infos []Info
	_, err := c.call(ctx, wire.OpList, map[string]string{"app": app, "environment": env, "prefix": prefix}, &infos)
	return infos, err
}

// Info describes one secret.
func (c *Client) Info(ctx context.Context, ref secret.Ref) (Info, error) {
	var info Info
	_, err := c.call(ctx, wire.OpInfo, ref, &info)
	return info, err
}

// Delete removes a secret; it can be restored for 30 days.
func (c *Client) Delete(ctx context.Context, ref secret.Ref) error {
	_, err := c.call(ctx, wire.OpDelete, ref, nil)
	return err
}

// Spaces lists the apps and environments.
func (c *Client) Spaces(ctx context.Context) ([]Space, error) {
	var spaces []Space
	_, err := c.call(ctx, wire.OpSpaces, nil, &spaces)
	return spaces, err
}

// CreateSpace makes an environment without a secret.
func (c *Client) CreateSpace(ctx context.Context, app, env string) error {
	_, err := c.call(ctx, wire.OpSpaceCreate, Space{App: app, Env: env}, nil)
	return err
}

// DeleteSpace removes an environment with the s.Secrets secrets that are in it, and
// their history, for good. It needs the password afresh.
func (c *Client) DeleteSpace(ctx context.Context, s Space) error {
	_, err := c.fresh(ctx, wire.OpSpaceDelete, s)
	return err
}

// Verify opens and checks every record. Of a vault that is too damaged to be
// unlocked it says how much can be read; that needs the password.
func (c *Client) Verify(ctx context.Context) (Report, error) {
	var r Report
	_, err := c.call(ctx, wire.OpVerify, nil, &r)
	damaged := errors.Is(err, ErrTampered) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrRollback)
	if !damaged || c.o.Password.Kind == PasswordNone {
		return r, err
	}
	f, again := c.fresh(ctx, wire.OpInspect, nil)
	if again != nil {
		return r, err
	}
	return r, json.Unmarshal(f.Args, &r)
}

// AuditShow returns the lines of the audit log that q selects, oldest first.
func (c *Client) AuditShow(ctx context.Context, q AuditQuery) ([]AuditLine, error) {
	var lines []AuditLine
	_, err := c.call(ctx, wire.OpAuditShow, q, &lines)
	return lines, err
}

// AuditExport hands every record since a time to each, oldest first, in pages.
func (c *Client) AuditExport(ctx context.Context, since time.Time, each func(AuditLine) error) error {
	q := AuditQuery{Since: since, First: 5000}
	for {
		lines, err := c.AuditShow(ctx, q)
		if err != nil || len(lines) == 0 {
			return err
		}
		for _, l := range lines {
			if err := each(l); err != nil {
				return err
			}
		}
		q.After = lines[len(lines)-1].Number
	}
}

// AuditVerify checks the chain of the audit log. That of one which does not open
// needs the password.
func (c *Client) AuditVerify(ctx context.Context) (AuditReport, error) {
	var r AuditReport
	_, err := c.call(ctx, wire.OpAuditVerify, nil, &r)
	if !errors.Is(err, ErrAudit) || c.o.Password.Kind == PasswordNone {
		return r, err
	}
	f, again := c.fresh(ctx, wire.OpAuditInspect, nil)
	if again != nil {
		return r, err
	}
	return r, json.Unmarshal(f.Args, &r)
}

// AuditRestart sets a broken audit log aside, beside the new one that begins
// with the reason. A log that is whole is left alone: ErrUsage.
func (c *Client) AuditRestart(ctx context.Context, reason string) error {
	s, err := c.any(ctx)
	if err != nil {
		return err
	}
	f, err := c.withPassword(ctx, s, wire.OpAuditRestart, map[string]string{"reason": reason})
	if err != nil {
		return err
	}
	s.shut(f)
	return c.Close()
}

// Grant asks for the values of r's secrets, all or none. The caller wipes them,
// and says with Complete how it ended.
func (c *Client) Grant(ctx context.Context, r GrantRequest) (*Grant, error) {
	var g wire.Granted
	r.Inherited = environment(r.Inherited)
	if c.o.Locks != nil {
		r.Locks = c.o.Locks()
	}
	f, s, err := c.callOn(ctx, wire.OpGrant, r, &g)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.grants[g.ID] = s
	c.mu.Unlock()
	if len(f.Values) != len(g.Secrets) {
		f.Close()
		return nil, fmt.Errorf("read grant: %w: %d values for %d secrets", ErrInternal, len(f.Values), len(g.Secrets))
	}
	out := &Grant{ID: g.ID, AllowNames: g.AllowNames, Exact: g.Exact, Secrets: make([]Secret, len(g.Secrets))}
	for i, s := range g.Secrets {
		out.Secrets[i] = Secret{Ref: s.Ref, Version: s.Version, Plain: s.Plain, Weak: s.Weak, Value: f.Values[i]}
	}
	return out, nil
}

// environment keeps the values that a policy looks at and replaces the rest by
// a hash: enough to tell a change, and no credential that a person may have in
// the environment.
func environment(env []string) []string {
	out := make([]string, len(env))
	for i, e := range env {
		name, value, _ := strings.Cut(e, "=")
		switch name {
		case "PATH", "SHELL", "PAGER", "GIT_TERMINAL_PROMPT":
			out[i] = e
		default:
			out[i] = name + "=" + HashedVariable(value)
		}
	}
	return out
}

// HashedVariable is how the value of an inherited variable is declared.
func HashedVariable(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

// Complete records how the use of a grant ended, with the agent that gave it.
func (c *Client) Complete(ctx context.Context, r Completion) error {
	c.mu.Lock()
	s := c.grants[r.GrantID]
	delete(c.grants, r.GrantID)
	c.mu.Unlock()
	if s == nil {
		return &Error{Err: ErrNotFound, Message: fmt.Sprintf("complete grant %q: %v", r.GrantID, ErrNotFound)}
	}
	_, err := s.do(ctx, wire.OpComplete, r, nil, nil)
	return err
}

// Reveal has the agent ask for the password on tty and print the value there.
// No value comes back here.
func (c *Client) Reveal(ctx context.Context, ref secret.Ref, tty *os.File) error {
	s, err := c.any(ctx)
	if err != nil {
		return err
	}
	restore := keepTerminal(tty)
	_, err = s.do(ctx, wire.OpReveal, wire.PasswordArgs{Password: string(PasswordTTY), Args: mustJSON(ref)}, nil, []*os.File{tty})
	if err != nil && !s.alive() {
		restore()
	}
	return err
}

// mustJSON encodes a value of our own that cannot fail to encode.
func mustJSON(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

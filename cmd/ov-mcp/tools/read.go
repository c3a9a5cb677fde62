package tools

import (
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

type listResult struct {
	App         string   `json:"app"`
	Environment string   `json:"environment"`
	Secrets     []listed `json:"secrets"`
}

type listed struct {
	Name     string    `json:"name"`
	Version  uint64    `json:"version"`
	Created  time.Time `json:"created,omitzero"`
	Updated  time.Time `json:"updated"`
	Tags     []string  `json:"tags,omitempty"`
	Maskable bool      `json:"maskable"`
	Plain    bool      `json:"plain,omitempty"`
	Weak     bool      `json:"weak,omitempty"`
}

// list is vault_list_secrets.
func (t *Tools) list(c *call) (any, error) {
	var a struct {
		place
		Prefix string `json:"prefix"`
	}
	if err := c.into(&a); err != nil {
		return nil, err
	}
	cfg, err := t.resolve(a.place, secret.Ref{}, false)
	if err != nil {
		return nil, err
	}
	infos, err := c.vault.List(c.ctx, cfg.App.Value, cfg.Env.Value, a.Prefix)
	if err != nil {
		return nil, err
	}
	r := listResult{App: cfg.App.Value, Environment: cfg.Env.Value, Secrets: []listed{}}
	for _, i := range infos {
		r.Secrets = append(r.Secrets, listed{Name: i.Ref.Name, Version: i.Version, Created: i.Created, Updated: i.Updated,
			Tags: i.Tags, Maskable: !i.Plain, Plain: i.Plain, Weak: i.Weak})
	}
	return r, nil
}

type statusResult struct {
	Locked      bool        `json:"locked"`
	Vault       bool        `json:"vault"`
	App         string      `json:"app"`
	AppFrom     string      `json:"app_from,omitempty"`
	Environment string      `json:"environment"`
	EnvFrom     string      `json:"environment_from,omitempty"`
	Secrets     *int        `json:"secrets"`
	Agent       agentStatus `json:"agent"`
	Scanners    []string    `json:"scanners"`
	Redactions  int64       `json:"redactions"`
	Intercepted int64       `json:"intercepted"`
	Warned      int64       `json:"warned"`
	Mode        string      `json:"intercept_mode"`
	Sessions    int         `json:"sessions"`
	Server      serverInfo  `json:"server"`
	Next        string      `json:"next_step,omitempty"`
}

// serverInfo says whether a vault has a server, and how old what is read is.
type serverInfo struct {
	Configured bool              `json:"configured"`
	State      agent.RemoteState `json:"state,omitempty"`
	Reachable  *bool             `json:"reachable,omitempty"` // absent: not known
	Age        *int64            `json:"last_answer_ms_ago,omitempty"`
	Behind     uint64            `json:"commits_behind,omitempty"`
	Problem    string            `json:"problem,omitempty"`
}

// describe says how ov-agent last met the vault's server. Nobody is asked now.
func describe(r *agent.RemoteStatus, now time.Time) serverInfo {
	if r == nil {
		return serverInfo{}
	}
	s := serverInfo{Configured: true, State: r.State, Behind: r.Behind, Problem: oneLine(r.Problem)}
	switch r.State {
	case agent.RemoteOnline, agent.RemoteRefused:
		s.Reachable = new(true)
	case agent.RemoteOffline:
		s.Reachable = new(false)
	}
	if !r.Synced.IsZero() {
		s.Age = new(max(now.Sub(r.Synced).Milliseconds(), 0))
	}
	return s
}

type agentStatus struct {
	Running  bool  `json:"running"`
	IdleLeft int64 `json:"idle_left_ms,omitempty"`
	HardLeft int64 `json:"hard_left_ms,omitempty"`
}

// status is vault_status. It opens nothing and works while the vault is locked.
func (t *Tools) status(c *call) (any, error) {
	var a place
	if err := c.into(&a); err != nil {
		return nil, err
	}
	cfg, err := t.resolve(a, secret.Ref{}, false)
	if err != nil && !errors.Is(err, config.ErrUntrusted) {
		return nil, err
	}
	next := ""
	if err != nil {
		next = explain(err).hint
	}
	s, err := c.vault.Status(c.ctx)
	if err != nil && !errors.Is(err, agent.ErrNoVault) && !errors.Is(err, agent.ErrUnavailable) {
		return nil, err
	}
	r := statusResult{
		Locked: s.Locked || !s.Running, Vault: s.Vault, App: cfg.App.Value, AppFrom: from(cfg.App), Environment: cfg.Env.Value, EnvFrom: from(cfg.Env),
		Agent:    agentStatus{s.Running, s.IdleLeft.Milliseconds(), s.HardLeft.Milliseconds()},
		Scanners: c.masks.sources(), Redactions: t.redactions.Load(), Intercepted: t.intercepted.Load(), Warned: t.warned.Load(), Mode: t.mode(s),
		Sessions: t.sessions.len(), Server: describe(s.Remote, time.Now()), Next: next,
	}
	switch {
	case c.unmasking != nil:
		f := explain(c.unmasking)
		r.Next = f.message + "; " + f.hint
	case !s.Vault:
		r.Next = explain(agent.ErrNoVault).hint
	case r.Locked:
		r.Next = explain(agent.ErrLocked).hint
	default:
		if infos, err := c.vault.List(c.ctx, r.App, r.Environment, ""); err == nil {
			n := len(infos)
			r.Secrets = &n
		}
	}
	return r, nil
}

func from(s config.Setting) string {
	if s.Where == "" {
		return string(s.Rung)
	}
	return string(s.Rung) + " " + s.Where
}

// sources says what looks for secrets by shape, in a line each.
func (m *Masks) sources() []string {
	lines := []string{}
	if m == nil {
		return lines
	}
	for _, s := range m.Redact.Scanners {
		if r := s.Rules(); len(r) > 0 {
			lines = append(lines, fmt.Sprintf("%d rules, %s and others", len(r), r[0].ID))
		}
	}
	return lines
}

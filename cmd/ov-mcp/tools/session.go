package tools

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/secret"
)

const (
	maxSessions = 8
	idleLimit   = 15 * time.Minute
	hardLimit   = 8 * time.Hour
	// watchEvery is how often the agent is asked whether it was locked, while
	// there are sessions.
	watchEvery = 2 * time.Second
	// maxUnasked is how often in a row that may fail: whether the vault is open is
	// then not known.
	maxUnasked = 5
)

// sessions are the shells of this server.
type sessions struct {
	mu   sync.Mutex
	open map[string]*session
}

type session struct {
	id, app, env string
	shell        *broker.Session
	masks        *Masks // that it was opened with
	busy         bool
}

type injectArgs struct {
	place
	Action    string    `json:"action"`
	SessionID string    `json:"session_id"`
	Names     *[]string `json:"secret_names"`
	Shell     string    `json:"shell"`
	TTL       int64     `json:"ttl_ms"`
}

type sessionRow struct {
	ID          string    `json:"session_id"`
	App         string    `json:"app"`
	Environment string    `json:"environment"`
	Names       []string  `json:"env_names"`
	Expires     time.Time `json:"expires_at"`
	Busy        bool      `json:"busy"`
}

type injectResult struct {
	ID       string       `json:"session_id,omitempty"`
	Names    []string     `json:"env_names,omitempty"`
	Expires  time.Time    `json:"expires_at,omitzero"`
	Closed   bool         `json:"closed,omitempty"`
	Sessions []sessionRow `json:"sessions,omitempty"`
}

// injectEnv is vault_inject_env.
func (t *Tools) injectEnv(c *call) (any, error) {
	var a injectArgs
	if err := c.into(&a); err != nil {
		return nil, err
	}
	switch a.Action {
	case "", "open":
		return t.openSession(c, &a)
	case "list":
		return injectResult{Sessions: t.sessions.list(a.SessionID)}, nil
	case "close":
		s := t.sessions.remove(a.SessionID)
		if s == nil {
			return nil, noSession
		}
		s.shell.Close(c.ctx)
		return injectResult{ID: s.id, Closed: true}, nil
	}
	return nil, badInput("action: want open, list or close")
}

var noSession = fault{"session_expired", "there is no such session: it was closed, idle for 15 minutes, or the vault was locked", "open a new one with vault_inject_env"}

func (t *Tools) openSession(c *call, a *injectArgs) (any, error) {
	ttl := hardLimit
	if a.TTL != 0 {
		if ttl = time.Duration(a.TTL) * time.Millisecond; ttl < time.Second || ttl > hardLimit {
			return nil, badInput("ttl_ms: 1000 to %d", hardLimit.Milliseconds())
		}
	}
	if t.sessions.len() >= maxSessions {
		return nil, fault{"too_many_sessions", "8 sessions are open", "close one with action close"}
	}
	cfg, err := t.resolve(a.place, secret.Ref{}, a.Names == nil)
	if err != nil {
		return nil, err
	}
	want, err := wants(a.Names, cfg)
	if err != nil {
		return nil, err
	}
	shell := or(a.Shell, "/bin/sh")
	if !strings.HasPrefix(shell, "/") {
		return nil, badInput("shell: want an absolute path")
	}
	opened, err := broker.OpenSession(c.ctx, t.learning(c), broker.Request{
		Argv: []string{shell}, Dir: t.dir(a.place), Environ: childEnviron(t.c.Environ), Wants: want, Nothing: want != nil && len(want) == 0,
		Space: cfg.Context(), Redact: c.masks.Redact, Reason: a.Reason, Notice: func(string) {}, Opened: func(int) {},
	}, proc.Limits{Idle: idleLimit, Hard: ttl})
	if err != nil {
		return nil, err
	}
	s := &session{id: newID(), app: cfg.App.Value, env: cfg.Env.Value, shell: opened, masks: c.masks}
	if !t.sessions.add(s) {
		opened.Close(c.ctx)
		return nil, fault{"too_many_sessions", "8 sessions are open", "close one with action close"}
	}
	go t.watch(s, c.vault)
	return injectResult{ID: s.id, Names: opened.Variables(), Expires: opened.Expires().UTC().Truncate(time.Second)}, nil
}

// watch ends a session when its shell does, or when the vault is locked.
func (t *Tools) watch(s *session, v Vault) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	unasked := 0
	for {
		select {
		case <-s.shell.Done():
		case <-tick.C:
			ctx, stop := context.WithTimeout(context.Background(), watchEvery)
			st, err := v.Status(ctx)
			stop()
			if err == nil {
				unasked = 0
			} else {
				unasked++
			}
			if err == nil && st.Running && !st.Locked || unasked > 0 && unasked < maxUnasked {
				continue
			}
		}
		if t.sessions.remove(s.id) != nil {
			s.shell.Close(context.Background())
		}
		return
	}
}

// newID returns 128 random bits: who can name a session can use it.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// runInSession is vault_run with a session_id.
func (t *Tools) runInSession(c *call, a *runArgs) (any, error) {
	if a.Names != nil || len(a.Env) > 0 || a.Stdin != "" || a.Cwd != "" || a.App != "" || a.Environment != "" {
		return nil, badInput("in a session only command, timeout_ms, max_output_bytes and reason are taken; use cd and export for the rest")
	}
	s := t.sessions.get(a.SessionID)
	if s == nil {
		return nil, noSession
	}
	if s.masks.Locks != c.masks.Locks {
		if t.sessions.remove(s.id) != nil {
			s.shell.Close(context.WithoutCancel(c.ctx))
		}
		return nil, outdated
	}
	t.sessions.mark(s, true)
	defer t.sessions.mark(s, false)
	out := newCapture(a.MaxOutput)
	begun := time.Now()
	stop := beat(c.ctx, begun, out)
	report, err := s.shell.Run(c.ctx, broker.Command{Argv: a.Command, Reason: a.Reason,
		Timeout: time.Duration(a.TimeoutMS) * time.Millisecond, Stdout: out.stdout, Stderr: out.stderr})
	stop()
	r := result(out, report, begun)
	switch {
	case errors.Is(err, broker.ErrTimeout):
		r.Status, r.TimedOut, r.ExitCode = "timed_out", true, nil
	case err != nil && c.ctx.Err() != nil:
		r.Status, r.ExitCode = "cancelled", nil
	case errors.Is(err, agent.ErrLocked), errors.Is(err, proc.ErrSessionEnded):
		if t.sessions.remove(s.id) != nil {
			s.shell.Close(context.WithoutCancel(c.ctx))
		}
		return nil, err
	case err != nil:
		return nil, err
	}
	t.count(r.Redactions)
	return r, nil
}

func (s *sessions) add(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) >= maxSessions {
		return false
	}
	if s.open == nil {
		s.open = map[string]*session{}
	}
	s.open[n.id] = n
	return true
}

func (s *sessions) get(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[id]
}

func (s *sessions) remove(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.open[id]
	delete(s.open, id)
	return n
}

func (s *sessions) mark(n *session, busy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.busy = busy
}

func (s *sessions) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

func (s *sessions) list(id string) []sessionRow {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := []sessionRow{}
	for _, n := range s.open {
		if id == "" || id == n.id {
			rows = append(rows, sessionRow{n.id, n.app, n.env, n.shell.Variables(), n.shell.Expires().UTC().Truncate(time.Second), n.busy})
		}
	}
	slices.SortFunc(rows, func(a, b sessionRow) int { return strings.Compare(a.ID, b.ID) })
	return rows
}

func (s *sessions) closeAll() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for _, n := range open {
		n.shell.Close(context.Background())
	}
}

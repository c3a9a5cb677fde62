package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// An opened is an unlocked vault with what belongs to it.
type opened struct {
	vault *vault.Vault
	store blob.Store
	place *place
	log   Log
	mem   *lockmem.Arena

	member  *membership // nil: a vault of one's own, or a machine's
	settled settling
}

// close zeroes the keys. The audit log stays open when keepLog is set, for the
// completions of grants that are still in use.
func (o *opened) close(keepLog bool) {
	o.vault.Close()
	o.store.Close()
	o.mem.Wipe()
	if !keepLog {
		o.log.Close()
	}
}

// state is whether the vault is open, and until when.
type state struct {
	mu      sync.RWMutex // held for reading while the vault is in use
	open    *opened      // nil: locked
	log     Log          // of a one-shot agent kept after its keys are gone
	device  string       // that the log's records name
	lease   lease
	timer   *time.Timer
	leaseMu sync.Mutex
}

// A lease bounds how long keys are kept. Wall time counts, so that a machine
// that slept finds them gone.
type lease struct {
	idle, hard time.Duration
	since      time.Time // of the unlock
	used       time.Time
}

// left returns what remains until the idle and the hard end.
func (l lease) left(now time.Time) (idle, hard time.Duration) {
	now = now.Round(0)
	return l.used.Round(0).Add(l.idle).Sub(now), l.since.Round(0).Add(l.hard).Sub(now)
}

func (l lease) over(now time.Time) bool {
	idle, hard := l.left(now)
	// A clock that was set back must not stretch the lease either; a little it
	// moves by itself, and two requests may look at it out of order.
	return idle <= 0 || hard <= 0 || hard > l.hard+clockSlack || idle > l.idle+clockSlack
}

const clockSlack = time.Minute

// unlock opens the vault with password. When it is open already, the password
// must be right all the same, and the lease begins anew.
func (s *Server) unlock(ctx context.Context, password secret.Value, t agent.TTLs) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if s.state.open != nil {
		check, err := s.openVault(ctx, password, &s.freshMem)
		if err != nil {
			return err
		}
		check.close(false)
		if s.leaseOver() { // the machine slept: it counts as locked, and no approval outlives that
			s.gate.forget()
		}
		s.setLease(t)
		return nil
	}
	o, err := s.openVault(ctx, password, &s.mem)
	if err != nil {
		return err
	}
	s.setOpen(o, t)
	return nil
}

// setOpen takes o into use. The caller holds the state's lock.
func (s *Server) setOpen(o *opened, t agent.TTLs) {
	if s.state.log != nil {
		s.state.log.Close()
	}
	s.state.open, s.state.log, s.state.device = o, o.log, o.vault.Device()
	s.setLease(t)
}

// setLease starts the time that the keys are kept for.
func (s *Server) setLease(t agent.TTLs) {
	now := s.c.Now()
	l := lease{idle: t.Idle, hard: t.Hard, since: now, used: now}
	if s.c.OneShot {
		l.idle = oneShotIdle
	}
	if l.idle <= 0 {
		l.idle = DefaultIdle
	}
	if l.hard <= 0 {
		l.hard = DefaultHard
	}
	s.state.leaseMu.Lock()
	s.state.lease = l
	s.state.leaseMu.Unlock()
	s.watch()
}

// openVault opens store, vault and audit log; nothing stays open on an error.
func (s *Server) openVault(ctx context.Context, password secret.Value, mem *lockmem.Arena) (*opened, error) {
	if s.onlyMember() {
		return s.openMember(ctx, password, mem)
	}
	o, err := s.openCopy(ctx, password, mem)
	if err != nil {
		return nil, err
	}
	o.place.release(o.vault)
	if err := s.announce(ctx, o); err != nil {
		o.close(false)
		return nil, err
	}
	return o, nil
}

// openCopy is openVault of what is on this machine: a server is not asked.
func (s *Server) openCopy(ctx context.Context, password secret.Value, mem *lockmem.Arena) (*opened, error) {
	if err := agent.CheckHome(s.c.Home); err != nil {
		return nil, err
	}
	if !s.hasVault() {
		return nil, vault.ErrNoVault
	}
	store, err := s.place()
	if err != nil {
		return nil, err
	}
	return s.openAt(ctx, store, password, mem)
}

// openAt is openCopy of what is in store.
func (s *Server) openAt(ctx context.Context, store *place, password secret.Value, mem *lockmem.Arena) (*opened, error) {
	if store.remote != nil && !s.hasStore() {
		if err := s.reseed(ctx, store.remote, password); err != nil {
			store.Close()
			return nil, err
		}
	}
	v, err := vault.Unlock(ctx, store, s.c.Home, password, vault.Options{Alloc: mem.Alloc, Served: store.served || store.remote != nil})
	if err != nil {
		store.Close()
		mem.Wipe()
		return nil, s.incomplete(err)
	}
	return s.withLog(v, store, mem)
}

// incomplete tells a vault that lost its device file from none, and from one
// that was not made to its end.
func (s *Server) incomplete(err error) error {
	switch {
	case errors.Is(err, vault.ErrServed):
		return noRemote(s.c.Home)
	case !errors.Is(err, vault.ErrNoVault) || !s.hasStore():
		return err
	}
	if _, err := os.Lstat(filepath.Join(s.c.Home, "device")); err == nil {
		return &agent.Error{Err: agent.ErrNoVault, Message: fmt.Sprintf("unlock vault: %v: its making was cut short", agent.ErrNoVault), Advice: `run "ov vault init" again`}
	}
	return &agent.Error{Err: agent.ErrCorrupt,
		Message: fmt.Sprintf("unlock vault: %s is missing; without it the store beside it opens for nobody", filepath.Join(s.c.Home, "device")),
		Advice:  `bring the file back, or "ov vault restore" a backup: it asks for the recovery kit`}
}

// withLog completes an open vault with its audit log.
func (s *Server) withLog(v *vault.Vault, store *place, mem *lockmem.Arena) (*opened, error) {
	return s.logged(v, store, filepath.Join(s.c.Home, "audit"), mem)
}

func (s *Server) logged(v *vault.Vault, store *place, dir string, mem *lockmem.Arena) (*opened, error) {
	log, err := s.c.Audit(dir, v.AuditKeys())
	if err != nil {
		v.Close()
		store.Close()
		mem.Wipe()
		if !errors.Is(err, audit.ErrAudit) {
			err = fmt.Errorf("%w: %w", audit.ErrAudit, err)
		}
		return nil, err
	}
	return &opened{vault: v, store: store, place: store, log: log, mem: mem}, nil
}

// use returns the open vault, which stays open until done is called.
func (s *Server) use() (o *opened, done func(), err error) {
	s.state.mu.RLock()
	now := s.c.Now()
	s.state.leaseMu.Lock()
	over := s.state.lease.over(now)
	if !over && now.After(s.state.lease.used) {
		s.state.lease.used = now
	}
	s.state.leaseMu.Unlock()
	if s.state.open == nil || over {
		s.state.mu.RUnlock()
		return nil, nil, agent.ErrLocked
	}
	return s.state.open, s.state.mu.RUnlock, nil
}

// watch arms the timer that locks when the lease is over.
func (s *Server) watch() {
	s.state.leaseMu.Lock()
	defer s.state.leaseMu.Unlock()
	if s.state.timer != nil {
		s.state.timer.Stop()
	}
	idle, hard := s.state.lease.left(s.c.Now())
	// Now and then the clock is looked at, in case the machine slept.
	s.state.timer = time.AfterFunc(max(time.Millisecond, min(idle, hard, time.Minute)), s.expire)
}

// expire locks if the lease is over.
func (s *Server) expire() {
	if !s.leaseOver() {
		s.watch()
		return
	}
	s.lock()
}

// leaseOver reports whether the keys should be gone by now.
func (s *Server) leaseOver() bool {
	s.state.leaseMu.Lock()
	defer s.state.leaseMu.Unlock()
	return s.state.lease.over(s.c.Now())
}

// lock forgets the keys and replaces the process.
func (s *Server) lock() {
	if s.shut() {
		s.relock()
	}
}

// shut forgets the keys, once no request uses them, and reports whether there
// were any. A one-shot agent keeps its audit log, for the completions of grants
// that are still in use.
func (s *Server) shut() bool {
	s.abandonAll()
	s.late.Wait()
	return s.forget(s.c.OneShot)
}

// relock replaces a daemon by a fresh process, so that nothing of its memory is
// left.
func (s *Server) relock() {
	if s.c.Relock != nil {
		s.c.Relock()
	}
}

// shutting answers a request after which the keys are gone: the client waits
// until the process is replaced, if it is, before it goes on.
func (s *Server) shutting() answer {
	if !s.shut() || s.c.Relock == nil {
		return answer{args: wire.Shut{}}
	}
	return answer{args: wire.Shut{Replaced: true}, after: s.relock}
}

// forget zeroes the keys and reports whether there were any.
func (s *Server) forget(keepLog bool) bool {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.gate.forget()
	was := s.state.open != nil
	if was {
		s.state.open.close(keepLog)
		s.state.open = nil
	}
	if !keepLog {
		if s.state.log != nil && !was {
			s.state.log.Close()
		}
		s.state.log = nil
	}
	s.state.leaseMu.Lock()
	if s.state.timer != nil {
		s.state.timer.Stop()
	}
	s.state.leaseMu.Unlock()
	return was
}

// abandonAll records the grants in use as abandoned, since no completion can be
// taken later.
func (s *Server) abandonAll() {
	if s.c.OneShot {
		return
	}
	s.clientsMu.Lock()
	clients := slices.Collect(maps.Keys(s.clients))
	s.clientsMu.Unlock()
	for _, c := range clients {
		c.abandon("the agent was locked")
	}
}

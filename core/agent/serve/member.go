package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/blob/httpblob"
	wireblob "github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
	"github.com/opaquevault/ov/core/vault/mirror"
)

// A membership is what an open shared environment has beside a vault: where what
// was seen of it is kept, so that nothing older is believed next time.
type membership struct {
	where agent.Shared
	vk    []byte // of the home's file, in the arena of the vault's keys
}

// openMember opens the environment that this home was let into.
func (s *Server) openMember(ctx context.Context, password secret.Value, mem *lockmem.Arena) (*opened, error) {
	m, err := s.readMember()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, vault.ErrNoVault
	} else if err != nil {
		return nil, err
	}
	vk, err := m.unlock(password)
	if err != nil {
		return nil, err
	}
	defer clear(vk)
	if len(m.Shared) == 0 {
		return nil, &agent.Error{Err: agent.ErrNoVault, Message: "open the shared environment: none was shared with this home yet",
			Advice: `"ov share accept INVITATION" takes what the owner of a vault sends for your request`}
	}
	return s.openShared(ctx, &m.Shared[0], vk, mem)
}

// openShared opens one environment of the file that vk is of.
func (s *Server) openShared(ctx context.Context, e *sharedFile, vk []byte, mem *lockmem.Arena) (*opened, error) {
	text, err := openMember(vk, useMember, e.Sealed)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	key, err := vault.ReadMachineKey(text)
	if err != nil {
		return nil, err
	}
	kept := mem.Alloc(len(vk))
	copy(kept, vk)
	o, err := s.openPart(ctx, key, text, e.CA, mem)
	if err != nil {
		key.Wipe()
		return nil, err
	}
	o.member = &membership{where: e.Where, vk: kept}
	if err := o.settle(ctx, s); err != nil {
		o.close(false)
		return nil, err
	}
	return o, nil
}

// sharedName is the folder with copies of shared environments: ciphertext, as it
// is on their owners' servers.
const sharedName = "shared"

// openPart opens an environment on its owner's server, or the copy of it that this
// home keeps for when that cannot be reached. text is what key was read from.
func (s *Server) openPart(ctx context.Context, key *vault.MachineKey, text secret.Value, ca string, mem *lockmem.Arena) (*opened, error) {
	line, err := seal.ParseMachineKey(text)
	if err != nil {
		return nil, err
	}
	defer line.Wipe()
	p, err := s.machinePlace(key, ca)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.c.Home, sharedName)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		p.Close()
		return nil, &agent.Error{Err: agent.ErrStorage, Message: "make the copy's folder: " + err.Error()}
	}
	path := filepath.Join(dir, fmt.Sprintf("%x", line.Env))
	local, ok := s.c.Store(path + ".db").(mirror.Local)
	if !ok {
		p.Close()
		return nil, fmt.Errorf("open store: it cannot hold the copy of a server's: %w", agent.ErrInternal)
	}
	p.part = mirror.NewPart(local, p.Store, line.Env, mirror.Options{Offline: offline, Stamp: path + ".synced", Now: s.c.Now})
	p.Store = p.part
	o, err := s.openAs(ctx, key, p, mem)
	s.dropCopies(err)
	return o, err
}

// dropCopies removes the copies of a home whose access was ended, and notes that
// it was.
func (s *Server) dropCopies(err error) {
	if !ended(err) || !s.onlyMember() {
		return
	}
	os.RemoveAll(filepath.Join(s.c.Home, sharedName))
	_ = s.changeMember(func(m *memberFile) error { // for people; what counts is what the server says
		for i := range m.Shared {
			m.Shared[i].Where.Ended = true
		}
		return nil
	})
}

// ended reports whether the owner of a vault has ended the access of who asks.
func ended(err error) bool {
	refused := (*httpblob.RefusedError)(nil)
	return errors.Is(err, vault.ErrRevoked) || errors.As(err, &refused) && (refused.Code == wireblob.CodeRevoked || refused.Code == wireblob.CodeUnknownKey)
}

// look asks the environment's server, now.
func (o *opened) look(ctx context.Context) (agent.SyncReport, error) {
	from := o.vault.Seq()
	if _, err := o.vault.Spaces(ctx); err != nil {
		return agent.SyncReport{}, err
	}
	contact, away := o.place.away()
	if away {
		return agent.SyncReport{}, &agent.Error{Err: agent.ErrOffline, Message: "sync: " + agent.ErrOffline.Error(), Advice: "secrets are read from the copy in this home; changes wait until the server is back"}
	}
	w := o.where()
	return agent.SyncReport{Remote: agent.RemoteStatus{URL: w.Server, Vault: w.Vault, Words: w.ServerWords, State: agent.RemoteOnline, Synced: contact}, From: from, To: o.vault.Seq()}, nil
}

// remember keeps what was seen of the environment in the home's file.
func (o *opened) remember(s *Server) error {
	seen, more := o.vault.Seen()
	if !more {
		return nil
	}
	defer seen.Wipe()
	now, err := seal.ParseMachineKey(seen)
	if err != nil {
		return err
	}
	defer now.Wipe()
	return s.changeMember(func(m *memberFile) error {
		for i := range m.Shared {
			e := &m.Shared[i]
			was, err := lineOf(o.member.vk, e.Sealed)
			if err != nil || was.Vault != now.Vault || was.Env != now.Env || string(was.Seed) != string(now.Seed) {
				continue
			}
			if was.Seq < now.Seq { // another process may have seen more
				e.Sealed = sealMember(o.member.vk, useMember, plainOf(seen))
			}
			e.Where = o.where()
			was.Wipe()
			return nil
		}
		return errMemberFile()
	})
}

// lineOf opens and reads what opens an environment.
func lineOf(vk []byte, sealed string) (*seal.MachineKey, error) {
	text, err := openMember(vk, useMember, sealed)
	if err != nil {
		return nil, err
	}
	defer text.Wipe()
	return seal.ParseMachineKey(text)
}

// where says which environment this is, as the vault itself says.
func (o *opened) where() agent.Shared {
	w := o.member.where
	if role := roleOf(o.vault.Role()); role != "" {
		w.Role = role
	}
	return w
}

// A settling is how far the home has kept up with an open vault.
type settling struct {
	mu  sync.Mutex
	at  uint64 // the commit
	any bool   // at is one
}

// settle is done before any answer leaves: what was seen of a shared environment
// is on disk by then, and what members changed in a vault of one's own is on record.
func (o *opened) settle(ctx context.Context, s *Server) error {
	seq := o.vault.Seq()
	o.settled.mu.Lock()
	defer o.settled.mu.Unlock()
	if seq == 0 || o.settled.any && o.settled.at == seq {
		return nil
	}
	var err error
	switch {
	case o.member != nil: // the copy first: one that is older than what was seen does not open
		err = errors.Join(o.place.part.Save(ctx, seq), o.remember(s))
	case o.place != nil && o.place.remote != nil:
		seq, err = o.noteCommits(ctx, s, seq)
		if m := o.place.mirror; err == nil && m != nil && m.State().Online {
			_, _ = o.vault.Countersign(ctx) // the next one that looks does, if this one could not
		}
	}
	if err == nil {
		o.settled.at, o.settled.any = seq, true
	}
	return err
}

// settle brings the home up to the open vault.
func (s *Server) settle(ctx context.Context) error {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if s.state.open == nil {
		return nil
	}
	return s.state.open.settle(ctx, s)
}

// memberError says in a member's words what a home that uses a shared environment
// cannot do, and why; nil for what is the same for everybody.
func (s *Server) memberError(err error) *agent.Error {
	if e := (*agent.Error)(nil); errors.As(err, &e) || !s.onlyMember() {
		return nil
	}
	what, role, who := "the shared environment", agent.Role(""), ""
	all, _ := s.sharedHere()
	if len(all) == 1 && all[0].App != "" {
		what, role, who = all[0].App+"/"+all[0].Env, all[0].Role, all[0].Name
	}
	may := map[agent.Role]string{agent.RoleRead: "read", agent.RoleWrite: "read and write"}
	refused := (*httpblob.RefusedError)(nil)
	late := errors.As(err, &refused) && refused.Code == wireblob.CodeExpired
	switch {
	case ended(err):
		return &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("your access to %s (as %q) was ended by its owner: this key was revoked, and nothing of it opens here any more", what, who),
			Advice: `to be let in again, ask the owner; "ov vault destroy" removes what is left here, and "ov share ask --text" makes a new request`}
	case errors.Is(err, vault.ErrExpired), late:
		return &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("your access to %s (as %q) is over: it was given for a time: %v", what, who, err),
			Advice: `the owner can give it again: "ov share ask --text" in another home makes a request`}
	case errors.Is(err, vault.ErrReadOnly):
		return &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("this home reads %s and writes nothing: denied", what),
			Advice: `to change secrets, ask its owner for --role write`}
	case errors.Is(err, vault.ErrScope):
		hint := "it uses " + what + ", and nothing else of its owner's vault"
		if role != "" {
			hint = fmt.Sprintf("this home may %s %s and nothing else of its owner's vault: --app %s --env %s", may[role], what, all[0].App, all[0].Env)
		}
		return &agent.Error{Err: agent.ErrDenied, Message: err.Error(), Advice: hint}
	case errors.Is(err, httpblob.ErrOffline) && len(all) == 0:
		return &agent.Error{Err: agent.ErrOffline, Message: err.Error(), Advice: "the first look at a shared environment needs its server"}
	}
	return nil
}

// until says when something ends, for a log.
func until(t time.Time) string {
	if t.IsZero() {
		return "without an end"
	}
	return "until " + t.UTC().Format(time.DateTime)
}

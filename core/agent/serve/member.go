package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/blob/httpblob"
	wireblob "github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
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
	o, err := s.openMachine(ctx, key, e.CA, mem)
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
	case o.member != nil:
		err = o.remember(s)
	case o.place != nil && o.place.remote != nil:
		seq, err = o.noteCommits(ctx, s, seq)
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
	code := ""
	if errors.As(err, &refused) {
		code = refused.Code
	}
	switch {
	case errors.Is(err, vault.ErrRevoked), code == wireblob.CodeRevoked, code == wireblob.CodeUnknownKey:
		return &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("your access to %s (as %q) was ended by its owner: this key was revoked, and nothing of it opens here any more", what, who),
			Advice: `to be let in again, ask the owner; "ov vault destroy" removes what is left here, and "ov share ask --text" makes a new request`}
	case errors.Is(err, vault.ErrExpired), code == wireblob.CodeExpired:
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
	case errors.Is(err, httpblob.ErrOffline):
		return &agent.Error{Err: agent.ErrOffline, Message: err.Error(), Advice: "a shared environment is read from its owner's server, each time: there is no copy here"}
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

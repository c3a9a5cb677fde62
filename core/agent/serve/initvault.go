package serve

import (
	"context"
	"fmt"
	"os"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

const (
	// minPassword is the shortest master password that is taken, in bytes.
	minPassword = 8
	// weakPassword is the estimate, in bits, under which a person is asked again.
	weakPassword = 40
)

// opInit makes a vault and hands the recovery kit to the person.
func (s *Server) opInit(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.InitRequest
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if s.hasMember() || s.hasStore() && !s.emptyStore(ctx) {
		return answer{}, vault.ErrVaultExists
	}
	if len(f.Files) < 2 && kind != agent.PasswordTTY {
		return answer{}, fmt.Errorf("init: %w: nowhere to write the recovery kit", agent.ErrUsage)
	}
	password, err := s.newPassword(ctx, f.Files[0], kind)
	if err != nil {
		return answer{}, err
	}
	defer password.Wipe()
	kit, err := s.create(ctx, password, c, r)
	if err != nil {
		return answer{}, err
	}
	defer kit.Key.Wipe()
	text := kit.Text()
	defer text.Wipe()
	if len(f.Files) > 1 {
		return answer{}, writeKit(f.Files[1], text)
	}
	return answer{}, keepKit(ctx, terminal{f.Files[0]}, text, kit.Key)
}

// create makes the vault and leaves it open in a one-shot agent.
func (s *Server) create(ctx context.Context, password secret.Value, c *client, r agent.InitRequest) (kit vault.Kit, err error) {
	if err := os.MkdirAll(s.c.Home, 0o700); err != nil {
		return kit, &agent.Error{Err: agent.ErrStorage, Message: "make the vault's folder: " + err.Error()}
	}
	if err := agent.CheckHome(s.c.Home); err != nil {
		return kit, err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	v, k, store, err := s.newVault(ctx, password, r)
	if err != nil {
		return kit, err
	}
	o, err := s.withLog(v, store, &s.mem)
	if err != nil {
		return kit, err
	}
	if err := o.note(c.record("vault_init", "", "CREATED", "")); err != nil {
		o.close(false)
		return kit, err
	}
	if err := s.recordFound(ctx, o); err != nil {
		o.close(false)
		return kit, err
	}
	s.setOpen(o, agent.TTLs{})
	return k, nil
}

// newVault makes the vault, on a server or on this machine alone.
func (s *Server) newVault(ctx context.Context, password secret.Value, r agent.InitRequest) (*vault.Vault, vault.Kit, *place, error) {
	o := vault.Options{Alloc: s.mem.Alloc, Name: r.Device}
	if r.Server != nil {
		return s.createRemote(ctx, r.Server, password, o)
	}
	store := &place{Store: s.c.Store(s.storePath())}
	v, kit, err := vault.Create(ctx, store, s.c.Home, password, o)
	if err == nil { // what another vault left in this folder is not of this one
		if err = forgetRemote(s.c.Home); err != nil {
			v.Close()
		}
	}
	if err != nil {
		store.Close()
	}
	return v, kit, store, err
}

// newPassword gets the password of a new vault.
func (s *Server) newPassword(ctx context.Context, f *os.File, kind agent.PasswordKind) (secret.Value, error) {
	return s.choosePassword(ctx, f, kind, "New master password: ", "the master password opens this vault; nobody can reset it")
}

// choosePassword gets a new password: typed twice on a terminal, which is told what
// it is about, with its strength shown; taken as it is from elsewhere.
func (s *Server) choosePassword(ctx context.Context, f *os.File, kind agent.PasswordKind, prompt, about string) (secret.Value, error) {
	if kind != agent.PasswordTTY {
		p, err := readPassword(ctx, f)
		if err == nil {
			err = longEnough(p)
		}
		return p, err
	}
	t, err := newTerminal(f)
	if err != nil {
		return secret.Value{}, err
	}
	t.say("%s", about)
	for range maxTries {
		first, err := t.secret(ctx, prompt)
		if err != nil {
			return first, err
		}
		if err := longEnough(first); err != nil {
			t.say("%v", err)
			continue
		}
		if ok, err := s.strong(ctx, t, first); err != nil || !ok {
			if err != nil {
				return secret.Value{}, err
			}
			continue
		}
		second, err := t.secret(ctx, "Once more: ")
		if err != nil {
			return second, err
		}
		ok := same(first, second)
		second.Wipe()
		if ok {
			return first, nil
		}
		first.Wipe()
		t.say("these were two different passwords")
	}
	return secret.Value{}, &agent.Error{Err: agent.ErrPassword, Message: "choose a password: given up"}
}

func longEnough(p secret.Value) error {
	if p.Len() < minPassword {
		return &agent.Error{Err: agent.ErrUsage, Message: fmt.Sprintf("the master password must have at least %d characters", minPassword),
			Advice: "four or five random words are easy to keep and hard to guess"}
	}
	return nil
}

// strong shows how strong p is and asks whether a weak one is meant.
func (s *Server) strong(ctx context.Context, t terminal, p secret.Value) (bool, error) {
	bits := s.bits(p)
	if bits >= weakPassword {
		t.say("strength: about 2^%.0f guesses", bits)
		return true, nil
	}
	t.say("strength: weak, about 2^%.0f guesses; four or five random words are better", bits)
	return t.yes(ctx, "Use it all the same? [y/N] ")
}

// writeKit writes the kit to a file or to the client's stdout.
func writeKit(f *os.File, kit secret.Value) error {
	if err := print(f, kit); err != nil {
		return &agent.Error{Err: agent.ErrStorage, Message: "the vault is made, but its recovery kit could not be written: " + err.Error(),
			Advice: `"ov vault kit" shows it again`}
	}
	f.Sync() // fails on a pipe or a terminal, where there is nothing to sync
	return nil
}

// keepKit shows the kit and has its last group typed, which nobody can do who
// did not keep it.
func keepKit(ctx context.Context, t terminal, text, key secret.Value) error {
	fmt.Fprintln(t.f)
	if err := print(t.f, text); err != nil {
		return err
	}
	fmt.Fprintln(t.f)
	for range maxTries {
		typed, err := t.ask(ctx, "Keep it outside of this computer. Type the last group of the Secret Key: ", true)
		if err != nil {
			return nil // the vault is made: whoever leaves here can ask for the kit again
		}
		ok := endsWith(key, typed)
		typed.Wipe()
		if ok {
			return nil
		}
		t.say("that is not it")
	}
	t.say(`the vault is made; "ov vault kit" shows the kit again`)
	return nil
}

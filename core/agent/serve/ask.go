package serve

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/lp"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// A person asks for an environment, and takes what they are given, in these
// steps, of which each needs the one before:
//
//	request   keys are made, and kept under the home's password; the request goes to the vault's server, or out as text
//	answer    waits for the invitation on the server     or     open: one that came as text
//	keep      only when the words of the device that signed it were compared is the server met, and the key kept
//
// An asking is how far this agent has come.
type asking struct {
	*vault.Member
	askedAs askedFile   // its place in the file
	vk      []byte      // of the file, in mem
	remote  *remoteFile // of a request that lies on a server
	id      string      // of that request

	key   secret.Value // what the invitation gave; empty before there is one
	where agent.Shared // what it says
	ca    string
	mem   lockmem.Arena
}

// close forgets the keys.
func (a *asking) close() {
	if a == nil {
		return
	}
	if a.Member != nil {
		a.Wipe()
	}
	a.key.Wipe()
	a.mem.Wipe()
}

// hold keeps the key of the file in memory that nobody else can read.
func (a *asking) hold(vk []byte) {
	a.vk = a.mem.Alloc(len(vk))
	copy(a.vk, vk)
	clear(vk)
}

// setAsking takes a into use; nil: nothing is asked for.
func (s *Server) setAsking(a *asking) {
	s.pagesMu.Lock()
	defer s.pagesMu.Unlock()
	s.asking.close()
	s.asking = a
}

// takeAsking returns what is asked for, which is the caller's from then on.
func (s *Server) takeAsking(what string) (*asking, error) {
	s.pagesMu.Lock()
	defer s.pagesMu.Unlock()
	a := s.asking
	s.asking = nil
	if a == nil {
		return nil, fmt.Errorf("%s: %w: nothing was asked for", what, agent.ErrUsage)
	}
	return a, nil
}

// opShareRequest makes a request for an environment.
func (s *Server) opShareRequest(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.AskRequest
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if err := s.mayAsk(c); err != nil {
		return answer{}, err
	}
	a := &asking{}
	var id [16]byte
	if r.Server != nil {
		if id, err = vaultID(r.Server.Vault); err != nil {
			return answer{}, err
		}
		if a.remote, err = s.meet(ctx, r.Server); err != nil {
			return answer{}, err
		}
		a.remote.Vault, a.ca = r.Server.Vault, a.remote.CA
	}
	if a.Member, err = vault.NewMember(id, r.Name); err != nil {
		return answer{}, err
	}
	out, err := s.request(ctx, a, f.Files[0], kind)
	if err != nil || a.remote == nil {
		a.close()
		return answer{args: out, after: giveBack}, err
	}
	s.setAsking(a)
	return answer{args: out, after: giveBack}, nil
}

// notMCP refuses a coding agent's tools, whatever password they can reach.
func notMCP(c *client, what string) error {
	if c.actor.MCP() {
		return &agent.Error{Err: agent.ErrDenied, Message: what + ": denied: a coding agent does not share", Advice: "run it in a terminal"}
	}
	return nil
}

// mayAsk refuses a home that is a device of a vault, and who is no person.
func (s *Server) mayAsk(c *client) error {
	if err := notMCP(c, "ask for an environment"); err != nil {
		return err
	}
	if shared, _ := s.sharedHere(); len(shared) > 0 {
		return &agent.Error{Err: agent.ErrVaultExists, Message: fmt.Sprintf("ask for an environment: %s uses %s/%s, and a home uses one: %v", s.c.Home, shared[0].App, shared[0].Env, agent.ErrVaultExists), Advice: "another environment has a home of its own: --home FOLDER"}
	}
	if s.hasDevice() {
		return &agent.Error{Err: agent.ErrVaultExists, Message: fmt.Sprintf("ask for an environment: %v: %s", agent.ErrVaultExists, s.c.Home), Advice: "a shared environment has a home of its own: --home FOLDER"}
	}
	return nil
}

func vaultID(text string) (id [16]byte, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, &agent.Error{Err: agent.ErrUsage, Message: "ask for an environment: which vault?", Advice: `its owner sees the id in "ov vault status"`}
	}
	return [16]byte(b), nil
}

// request keeps a's seed under the home's password and hands its request out.
func (s *Server) request(ctx context.Context, a *asking, f *os.File, kind agent.PasswordKind) (agent.Asked, error) {
	r := a.Request()
	if err := s.homePassword(ctx, a, f, kind); err != nil {
		return agent.Asked{}, err
	}
	seed := a.Seed()
	defer seed.Wipe()
	plain := lp.Join(r.Vault[:], []byte(r.Name), plainOf(seed))
	a.askedAs = askedFile{Sealed: sealMember(a.vk, useAsked, plain), Words: r.Words()}
	clear(plain)
	if err := s.changeMember(func(m *memberFile) error { m.keepAsked(a.askedAs); return nil }); err != nil {
		return agent.Asked{}, err
	}
	if a.remote == nil {
		return agent.Asked{Words: r.Words(), Text: r.Text()}, nil
	}
	st, err := a.remote.connect(signerOf(a.Newcomer()))
	if err != nil {
		return agent.Asked{}, err
	}
	defer st.Close()
	if a.id, err = st.Ask(ctx, r.Bytes()); err != nil {
		err = errors.Join(err, s.changeMember(func(m *memberFile) error { m.dropAsked(a.askedAs); return nil }))
	}
	if errors.Is(err, blob.ErrEmpty) {
		err = &agent.Error{Err: agent.ErrNoVault, Message: "ask for an environment: the server has no vault " + a.remote.Vault}
	}
	return agent.Asked{Words: r.Words(), Expires: s.c.Now().Add(requestTime)}, err
}

const homePrompt = "Password of this home: "

// homePassword opens the key of the home's file with its password, or makes the
// file with a new one.
func (s *Server) homePassword(ctx context.Context, a *asking, f *os.File, kind agent.PasswordKind) error {
	if s.hasMember() {
		return s.askAny(ctx, f, kind, homePrompt, func(p secret.Value) error {
			m, err := s.readMember()
			if err != nil {
				return err
			}
			vk, err := m.unlock(p)
			if err == nil {
				a.hold(vk)
			}
			return err
		})
	}
	password, err := s.choosePassword(ctx, f, kind, "New password: ", "this password opens what is shared with this home; nobody can reset it")
	if err != nil {
		return err
	}
	defer password.Wipe()
	vk, err := s.ownMember(password)
	if err == nil {
		a.hold(vk)
	}
	return err
}

// ownPassword checks the password of a home that uses shared environments, and
// opens none of them.
func (s *Server) ownPassword(ctx context.Context, f *wire.Frame) (answer, error) {
	kind, err := passwordArgs(f, nil)
	if err != nil {
		return answer{}, err
	}
	var a asking
	defer a.close()
	return answer{after: giveBack}, s.homePassword(ctx, &a, f.Files[0], kind)
}

// opShareAnswer waits for the invitation that a device of the vault puts on its
// server, and says what it gives.
func (s *Server) opShareAnswer(ctx context.Context, c *client, _ *wire.Frame) (answer, error) {
	if err := notMCP(c, "wait for an invitation"); err != nil {
		return answer{}, err
	}
	a, err := s.takeAsking("wait for an invitation")
	if err != nil {
		return answer{}, err
	}
	if a.remote == nil {
		a.close()
		return answer{}, fmt.Errorf("wait for an invitation: %w: there is no server to wait for", agent.ErrUsage)
	}
	reply, err := s.awaitReply(ctx, a.remote, a.Newcomer(), a.id)
	if err == nil {
		err = a.invited(reply)
	}
	if err == nil && !bytes.Equal(a.met(), a.remote.Key) {
		err = &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: the vault's owner knows the server by another key (%s) than the one that this machine met (%s)", agent.ErrDenied, a.where.ServerWords, seal.Words(a.remote.Key)),
			Advice: "somebody is between one of you and the server: ask who runs it"}
	}
	if err != nil {
		a.close()
		return answer{}, err
	}
	s.setAsking(a)
	return answer{args: a.where}, nil
}

// opShareOpen opens an invitation that came as text. No server is met: whose it
// is has not been compared yet.
func (s *Server) opShareOpen(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r wire.AcceptArgs
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if err := s.mayAsk(c); err != nil {
		return answer{}, err
	}
	invitation, err := invitationIn(r.Invitation)
	if err != nil {
		return answer{}, err
	}
	if !s.hasMember() {
		return answer{}, &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("accept: %s has asked for nothing", s.c.Home),
			Advice: `an invitation opens in the home that asked: --home FOLDER; "ov share ask --text" asks`}
	}
	a := &asking{ca: r.Server.CA}
	if err = s.homePassword(ctx, a, f.Files[0], kind); err == nil {
		err = s.opens(a, invitation)
	}
	if err == nil && r.Server.Words != "" && sameWords(r.Server.Words) != a.where.ServerWords {
		err = &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: the server's key is called %s, and not %s", agent.ErrDenied, a.where.ServerWords, clean(r.Server.Words)),
			Advice: "ask who runs the server, and whoever sent the invitation"}
	}
	if err != nil {
		a.close()
		return answer{after: giveBack}, err
	}
	s.setAsking(a)
	return answer{args: a.where, after: giveBack}, nil
}

// invitationIn reads the text of an invitation.
func invitationIn(text string) ([]byte, error) {
	invitation, err := seal.ParseInvitationText(text)
	if err == nil {
		return invitation, nil
	}
	hint := "it is one line, which begins with " + seal.InvitationPrefix + `: "ov share APP/ENVIRONMENT --request TEXT" prints it`
	if strings.HasPrefix(strings.TrimSpace(text), seal.RequestPrefix) {
		hint = `this is a request: it is for who shares, "ov share APP/ENVIRONMENT --with WORDS --role read --request TEXT"`
	}
	return nil, &agent.Error{Err: agent.ErrUsage, Message: "accept: " + err.Error(), Advice: hint}
}

// opens finds the request of this home that the invitation answers.
func (s *Server) opens(a *asking, invitation []byte) error {
	m, err := s.readMember()
	if err != nil {
		return err
	}
	for _, asked := range slices.Backward(m.Asked) {
		plain, err := openMember(a.vk, useAsked, asked.Sealed)
		if err != nil {
			return err
		}
		member, err := memberIn(plain)
		plain.Wipe()
		if err != nil {
			return err
		}
		a.Member, a.askedAs = member, asked
		if err = a.invited(invitation); err == nil {
			return nil
		}
		member.Wipe()
		a.Member = nil
	}
	return &agent.Error{Err: agent.ErrNotFound, Message: "accept: this invitation answers no request of this home",
		Advice: `it opens once, in the home that asked (--home FOLDER), for the newest requests; "ov share ask --text" asks anew`}
}

// memberIn makes the member again whose request was kept.
func memberIn(plain secret.Value) (*vault.Member, error) {
	in := lp.NewReader(plainOf(plain))
	var id [16]byte
	in.Fixed(id[:])
	name, seed := string(in.Field()), in.Field()
	if !in.Done() {
		return nil, errMemberFile()
	}
	return vault.MemberFrom(secret.New(seed), id, name)
}

// invited opens an invitation and notes what it gives.
func (a *asking) invited(invitation []byte) error {
	key, err := a.Accept(invitation)
	if err != nil {
		return err
	}
	k, err := seal.ParseMachineKey(key)
	if err != nil {
		key.Wipe()
		return err
	}
	defer k.Wipe()
	if (secret.Ref{App: k.App, Env: k.EnvName, Name: "_"}).Check() != nil {
		key.Wipe()
		return vault.ErrTampered
	}
	owner, role := a.Inviter()
	a.key = key
	a.where = agent.Shared{App: k.App, Env: k.EnvName, Role: roleOf(role), Name: oneLine(k.Name), NotAfter: milli(k.NotAfter), Words: a.Request().Words(),
		OwnerWords: owner, Server: oneLine(k.URL), Vault: hex.EncodeToString(k.Vault[:])}
	if len(k.ServerKey) > 0 {
		a.where.ServerWords = seal.Words(k.ServerKey)
	}
	return nil
}

// met is the server's key as the invitation has it.
func (a *asking) met() []byte {
	k, err := seal.ParseMachineKey(a.key)
	if err != nil {
		return nil
	}
	defer k.Wipe()
	return k.ServerKey
}

// opShareKeep takes the invitation that was opened, once somebody has compared
// the words of the device that signed it: it opens the environment, for the
// first time, and keeps the key.
func (s *Server) opShareKeep(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r wire.KeepArgs
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	if err := notMCP(c, "accept"); err != nil {
		return answer{}, err
	}
	a, err := s.takeAsking("accept")
	if err != nil {
		return answer{}, err
	}
	defer a.close()
	switch {
	case a.where.OwnerWords == "":
		return answer{}, fmt.Errorf("accept: %w: no invitation was opened", agent.ErrUsage)
	case sameWords(r.OwnerWords) != a.where.OwnerWords:
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: the device that signed the invitation is called %s, and not %s", agent.ErrDenied, a.where.OwnerWords, clean(r.OwnerWords)),
			Advice: `do not use it, unless the vault's owner sees these words in "ov device list": whoever saw your request can have made it`}
	}
	return answer{args: a.where}, s.keepShared(ctx, c, a)
}

// keepShared meets the server with a's key and puts that into the file.
func (s *Server) keepShared(ctx context.Context, c *client, a *asking) error {
	key, err := vault.ReadMachineKey(a.key)
	if err != nil {
		return err
	}
	var mem lockmem.Arena
	o, err := s.openPart(ctx, key, a.key, a.ca, &mem)
	if err != nil {
		key.Wipe()
		return err
	}
	defer o.close(false)
	if _, away := o.place.away(); away { // of a former member's copy, with no such key in it
		return &agent.Error{Err: agent.ErrOffline, Message: "accept: " + agent.ErrOffline.Error(), Advice: "the first look at a shared environment needs its server"}
	}
	if role := roleOf(o.vault.Role()); role != a.where.Role {
		return &agent.Error{Err: agent.ErrTampered, Message: fmt.Sprintf("accept: the invitation gives %q, and the vault %q: %v", a.where.Role, role, agent.ErrTampered)}
	}
	if err := o.note(c.record("share_accept", a.where.App+"/"+a.where.Env, "JOINED", "to "+string(a.where.Role)+"; invited by "+a.where.OwnerWords)); err != nil {
		return err
	}
	text := a.key
	if seen, more := o.vault.Seen(); more {
		defer seen.Wipe()
		text = seen
	}
	kept := sharedFile{Sealed: sealMember(a.vk, useMember, plainOf(text)), CA: a.ca, Where: a.where}
	return errors.Join(o.place.part.Save(ctx, o.vault.Seq()), s.changeMember(func(m *memberFile) error {
		m.dropAsked(a.askedAs)
		m.Shared = append(m.Shared, kept)
		return nil
	}))
}

// dropAsked takes a request out of the file.
func (m *memberFile) dropAsked(a askedFile) {
	m.Asked = slices.DeleteFunc(m.Asked, func(o askedFile) bool { return o == a })
}

// roleOf is a role in words.
func roleOf(r manifest.Role) agent.Role {
	switch r {
	case manifest.RoleReader:
		return agent.RoleRead
	case manifest.RoleWriter:
		return agent.RoleWrite
	}
	return ""
}

// milli is a time of the vault's; 0 is none.
func milli(t uint64) time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// sameWords is words as they are printed, however they were typed.
func sameWords(typed string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(typed), func(r rune) bool { return r == '-' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }), "-")
}

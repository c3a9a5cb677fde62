package serve

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// opShare lets the person whose keys have certain words into an environment.
func (s *Server) opShare(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.ShareRequest
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if err := notMCP(c, "share"); err != nil {
		return answer{}, err
	}
	if r.Words = sameWords(r.Words); r.Words == "" {
		return answer{}, fmt.Errorf("share: %w: with whom?", agent.ErrUsage)
	}
	role, ok := map[agent.Role]manifest.Role{agent.RoleRead: manifest.RoleReader, agent.RoleWrite: manifest.RoleWriter}[r.Role]
	if !ok {
		return answer{}, fmt.Errorf("share: %w: role %q", agent.ErrUsage, clean(string(r.Role)))
	}
	var asks *seal.Request
	if r.Request != "" {
		if asks, err = requestIn(r.Request, r.Words); err != nil {
			return answer{}, err
		}
	}
	var out agent.ShareAnswer
	prompt := fmt.Sprintf("Master password, to let %s %s %s/%s: ", clean(r.Words), r.Role, clean(r.App), clean(r.Env))
	err = s.ask(ctx, f.Files[0], kind, prompt, func(p secret.Value) error {
		return s.withVault(ctx, p, func(o *opened) (err error) {
			out, err = s.share(ctx, c, o, &r, asks, role)
			return err
		})
	})
	return answer{args: out, after: giveBack}, err
}

// requestIn reads a request that came as text, and holds it against the words
// that the person said.
func requestIn(text, words string) (*seal.Request, error) {
	asks, err := seal.ParseRequestText(text)
	if err != nil {
		hint := "it is one line, which begins with " + seal.RequestPrefix + `: "ov share ask --text" prints it`
		if strings.HasPrefix(strings.TrimSpace(text), seal.InvitationPrefix) {
			hint = `this is an invitation: it is for who asked, "ov share accept INVITATION"`
		}
		return nil, &agent.Error{Err: agent.ErrUsage, Message: "share: " + err.Error(), Advice: hint}
	}
	if asks.Words() != words {
		return nil, &agent.Error{Err: agent.ErrDenied, Message: fmt.Sprintf("%v: the request is not the one of the words %s", agent.ErrDenied, clean(words)),
			Advice: "have them read you the words again, by another way than the request came: it may be somebody else's"}
	}
	return asks, nil
}

func (s *Server) share(ctx context.Context, c *client, o *opened, r *agent.ShareRequest, asks *seal.Request, role manifest.Role) (out agent.ShareAnswer, err error) {
	if o.member != nil {
		return out, fmt.Errorf("share: %w", vault.ErrScope)
	}
	if o.place == nil || o.place.remote == nil {
		return out, noServer("share")
	}
	reply := func([]byte) error { return nil }
	if asks == nil {
		w, err := s.asks(ctx, o, r.Words)
		if err != nil {
			return out, err
		}
		asks = w.asks
		reply = func(invitation []byte) error { return o.place.server.Reply(ctx, w.ID, invitation) }
	}
	name := cmp.Or(r.Name, asks.Name)
	note := c.record("share", r.App+"/"+r.Env, "ALLOWED", fmt.Sprintf("%q to %s, %s; words %s", oneLine(name), r.Role, until(r.NotAfter), r.Words))
	if err := o.note(note); err != nil {
		return out, err
	}
	order := vault.MachineOrder{Name: name, App: r.App, Env: r.Env, NotAfter: r.NotAfter, Role: role, URL: o.place.remote.URL, ServerKey: o.place.remote.Key}
	invitation, made, err := o.vault.Share(ctx, asks, order)
	if err != nil {
		return out, o.failed(note, shareError(err, r))
	}
	if _, known := readNoted(filepath.Join(s.c.Home, notedName), o.vault.ID()); role == manifest.RoleWriter && !known {
		if err := s.writeNoted(o.vault.ID(), o.vault.Seq()); err != nil {
			return out, err
		}
	}
	out.Machine = publicMachine(made)
	if out.OwnerWords, err = o.words(ctx); err != nil {
		return out, err
	}
	out.ServerWords = o.place.remote.status().Words
	if r.Request != "" {
		out.Invitation = seal.InvitationText(invitation)
	}
	return out, reply(invitation)
}

// shareError says in words of sharing why somebody was not let in.
func shareError(err error, r *agent.ShareRequest) error {
	switch {
	case errors.Is(err, vault.ErrTaken):
		return &agent.Error{Err: agent.ErrExists, Message: err.Error(),
			Advice: `"ov share list" shows who is let in; --name calls somebody otherwise, and who was let go asks with new keys`}
	case errors.Is(err, vault.ErrNotFound):
		return &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("share: environment %s/%s: %v", clean(r.App), clean(r.Env), agent.ErrNotFound), Advice: `"ov env list" shows those that there are`}
	}
	return err
}

// failed puts on record that what note announced was not done.
func (o *opened) failed(note audit.Record, err error) error {
	note.Event = "FAILED"
	o.note(note)
	return err
}

// asks returns the member's request with these words that lies on the server.
func (s *Server) asks(ctx context.Context, o *opened, words string) (waiting, error) {
	list, err := o.place.requests(ctx)
	if err != nil {
		return waiting{}, err
	}
	i := slices.IndexFunc(list, func(w waiting) bool { return w.asks.Words() == words && w.asks.IsMember() })
	if i < 0 {
		return waiting{}, &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("share: nobody with the words %s asks for an environment", clean(words)),
			Advice: `they run "ov share ask --server URL --vault ID", which is kept for ten minutes; a request that came as text goes with --request`}
	}
	return list[i], nil
}

// words are those of this device.
func (o *opened) words(ctx context.Context) (string, error) {
	devices, err := o.vault.Devices(ctx)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(devices, func(d vault.Device) bool { return d.This })
	if i < 0 {
		return "", fmt.Errorf("find this device: %w", vault.ErrTampered)
	}
	return devices[i].Words(), nil
}

func (s *Server) opMembers(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	list, err := o.members(ctx)
	return answer{args: list}, err
}

// members lists who environments are shared with, and by which device.
func (o *opened) members(ctx context.Context) ([]agent.Machine, error) {
	list, err := o.vault.Members(ctx)
	if err != nil {
		return nil, err
	}
	devices, err := o.vault.Devices(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, d := range devices {
		names[d.ID] = d.Name
	}
	out := make([]agent.Machine, len(list))
	for i, m := range list {
		out[i] = publicMachine(m)
		out[i].By = cmp.Or(names[m.By], m.By)
		if id, err := hex.DecodeString(m.ID); err == nil {
			out[i].Words = seal.Words(id)
		}
	}
	return out, nil
}

// opShareRevoke ends a member's access, by name, id or words.
func (s *Server) opShareRevoke(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r struct {
		Member string `json:"member"`
	}
	kind, err := passwordArgs(f, &r)
	if err != nil {
		return answer{}, err
	}
	if err := notMCP(c, "revoke member"); err != nil {
		return answer{}, err
	}
	var out agent.Machine
	prompt := fmt.Sprintf("Master password, to end the access of %s: ", clean(r.Member))
	err = s.ask(ctx, f.Files[0], kind, prompt, func(p secret.Value) error {
		return s.withVault(ctx, p, func(o *opened) (err error) {
			out, err = s.letGo(ctx, c, o, r.Member)
			return err
		})
	})
	return answer{args: out, after: giveBack}, err
}

func (s *Server) letGo(ctx context.Context, c *client, o *opened, who string) (agent.Machine, error) {
	list, err := o.members(ctx)
	if err != nil {
		return agent.Machine{}, err
	}
	i := slices.IndexFunc(list, func(m agent.Machine) bool { return m.ID == who || m.Name == who || m.Words == sameWords(who) })
	if i < 0 {
		return agent.Machine{}, &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("revoke member %q: %v", clean(who), agent.ErrNotFound), Advice: `"ov share list" shows them`}
	}
	m := list[i]
	note := c.record("share_revoke", m.App+"/"+m.Env, "ALLOWED", fmt.Sprintf("%q, who could %s; words %s", oneLine(m.Name), m.Role, m.Words))
	if err := o.note(note); err != nil {
		return m, err
	}
	if err := o.vault.RevokeMember(ctx, m.ID, recorded); err != nil {
		return m, o.failed(note, err)
	}
	return m, nil
}

// opCommits lists who signed the vault's changes.
func (s *Server) opCommits(ctx context.Context, _ *client, f *wire.Frame) (answer, error) {
	var r struct {
		Since uint64 `json:"since"`
	}
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	list, err := o.vault.Commits(ctx, r.Since)
	out := make([]agent.Commit, len(list))
	for i, m := range list {
		out[i] = agent.Commit{Seq: m.Seq, Time: m.Time.UTC(), Signer: m.Signer, Name: oneLine(m.Name), Member: m.Role != 0, Role: roleOf(m.Role)}
	}
	return answer{args: out}, err
}

// notedName is the file that says up to which commit of which vault those of
// members are on record.
const notedName = "noted"

// maxUnnoted is how far that file may be behind where members changed nothing.
const maxUnnoted = 256

// noteCommits puts the commits of members that were taken over since the last
// time on record, one line each. It returns how far it came: looking at them may
// bring more.
func (o *opened) noteCommits(ctx context.Context, s *Server, to uint64) (uint64, error) {
	path := filepath.Join(s.c.Home, notedName)
	since, known := readNoted(path, o.vault.ID())
	switch {
	case o.settled.any:
		since = max(since, o.settled.at)
	case !known: // nothing was shared with a writer from here before
		since = to
	}
	if since >= to {
		return to, nil
	}
	list, err := o.vault.Commits(ctx, since)
	if err != nil {
		return to, err
	}
	var notes []audit.Record
	for _, m := range list {
		to = max(to, m.Seq)
		if m.Role != 0 {
			notes = append(notes, audit.Record{Op: "member_commit", Event: "TAKEN_OVER", Actor: audit.Actor{UID: os.Geteuid(), PID: os.Getpid(), Client: "ov-agent"},
				Reason: fmt.Sprintf("commit %d, signed by %q (%s), key %s", m.Seq, oneLine(m.Name), roleOf(m.Role), m.Signer)})
		}
	}
	if len(notes) > 0 {
		if err := o.note(notes...); err != nil {
			return to, err
		}
	}
	if len(notes) > 0 || known && to-since >= maxUnnoted {
		return to, s.writeNoted(o.vault.ID(), to)
	}
	return to, nil
}

func readNoted(path, vault string) (seq uint64, ok bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	var id string
	if _, err := fmt.Sscanf(string(b), "%s %d", &id, &seq); err != nil || id != vault {
		return 0, false
	}
	return seq, true
}

func (s *Server) writeNoted(vault string, seq uint64) error {
	return replaceFile(s.c.Home, notedName, fmt.Appendf(nil, "%s %d\n", vault, seq))
}

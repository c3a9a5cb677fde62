package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// handlers is every op that there is. None gives out a key, and none but
// OpGrant a value.
func (s *Server) handlers() map[string]handler {
	all := s.remoteHandlers()
	maps.Copy(all, map[string]handler{
		wire.OpStatus:      s.opStatus,
		wire.OpStop:        s.opStop,
		wire.OpLock:        s.opLock,
		wire.OpUnlock:      s.opUnlock,
		wire.OpInit:        s.opInit,
		wire.OpPut:         s.opPut,
		wire.OpMayPut:      s.opMayPut,
		wire.OpList:        s.opList,
		wire.OpInfo:        s.opInfo,
		wire.OpDelete:      s.opDelete,
		wire.OpSpaces:      s.opSpaces,
		wire.OpSpaceCreate: s.opSpaceCreate,
		wire.OpSpaceDelete: s.opSpaceDelete,
		wire.OpVerify:      s.opVerify,
		wire.OpAuditShow:   s.opAuditShow,
		wire.OpAuditVerify: s.opAuditVerify,
		wire.OpGrant:       s.opGrant,
		wire.OpComplete:    s.opComplete,
		wire.OpReveal:      s.opReveal,

		wire.OpInspect:       s.opInspect,
		wire.OpAuditInspect:  s.opAuditInspect,
		wire.OpAuditRestart:  s.opAuditRestart,
		wire.OpHistory:       s.opHistory,
		wire.OpRollback:      s.opChange("rollback", rollback),
		wire.OpRestore:       s.opChange("restore", restore),
		wire.OpTag:           s.opChange("tag", tag),
		wire.OpRename:        s.opChange("rename", rename),
		wire.OpAuditExposed:  s.opAuditExposed,
		wire.OpAuditPrunable: s.opAuditPrunable, wire.OpAuditPrune: s.opAuditPrune,
		wire.OpKit:           s.opKit,
		wire.OpPasswd:        s.opPasswd,
		wire.OpRotate:        s.opRotate,
		wire.OpDestroy:       s.opDestroy,
		wire.OpBackup:        s.opBackup,
		wire.OpRestoreBackup: s.opRestoreBackup,

		wire.OpPolicyShow:    s.opPolicyShow,
		wire.OpPolicySet:     s.opPolicySet,
		wire.OpPolicyExplain: s.opPolicyExplain,
		wire.OpPolicyCheck:   s.opPolicyCheck,
		wire.OpPolicyReplay:  s.opPolicyReplay,
		wire.OpPending:       s.opPending,
		wire.OpApprove:       s.opApprove,
		wire.OpRefuse:        s.opRefuse,
		wire.OpPINSet:        s.opPINSet,
		wire.OpForget:        s.opForget,
		wire.OpPage:          s.opPage,
		wire.OpPageWait:      s.opPageWait,

		wire.OpImportAsk:     s.opImportAsk,
		wire.OpImportCompare: s.opImportCompare,
		wire.OpImportPut:     s.opImportPut,
		wire.OpImportSeal:    s.opImportSeal,
		wire.OpImportOpen:    s.opImportOpen,
		wire.OpCatalogShow:   s.opCatalogShow,
		wire.OpCatalogSet:    s.opCatalogSet,

		wire.OpLocksShow:   s.opLocksShow,
		wire.OpLocksRecord: s.opLocksRecord,
	})
	return all
}

// remoteHandlers are the ops about a vault's server, and about who may use the vault.
func (s *Server) remoteHandlers() map[string]handler {
	return map[string]handler{
		wire.OpJoin:          s.opJoin,
		wire.OpJoinAsk:       s.opJoinAsk,
		wire.OpJoinWait:      s.opJoinWait,
		wire.OpPush:          s.opPush,
		wire.OpSync:          s.opSync,
		wire.OpDevices:       s.opDevices,
		wire.OpRequests:      s.opRequests,
		wire.OpDeviceApprove: s.opDeviceApprove,
		wire.OpDeviceRevoke:  s.opDeviceRevoke,
		wire.OpMachineNew:    s.opMachineNew,
		wire.OpMachines:      s.opMachines,
		wire.OpMachineRevoke: s.opMachineRevoke,
		wire.OpShareRequest:  s.opShareRequest,
		wire.OpShareAnswer:   s.opShareAnswer,
		wire.OpShareOpen:     s.opShareOpen,
		wire.OpShareKeep:     s.opShareKeep,
		wire.OpShare:         s.opShare,
		wire.OpMembers:       s.opMembers,
		wire.OpShareRevoke:   s.opShareRevoke,
		wire.OpCommits:       s.opCommits,
	}
}

// locked is no use of the vault: a client that polls must not keep it open.
func (s *Server) locked() bool {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	s.state.leaseMu.Lock()
	defer s.state.leaseMu.Unlock()
	return s.state.open == nil || s.state.lease.over(s.c.Now())
}

func (s *Server) opStatus(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	st := agent.Status{
		Running: !s.c.OneShot, Locked: s.locked(), Vault: s.hasVault(), PID: os.Getpid(),
		Version: s.c.Build, Protocol: wire.Version, Memory: string(s.mem.Kind()), Grants: int(s.issued.Load()), Remote: s.remoteStatus(ctx),
	}
	st.Shared, st.Asked = s.sharedHere()
	if !st.Locked {
		s.state.leaseMu.Lock()
		st.IdleLeft, st.HardLeft = s.state.lease.left(s.c.Now())
		s.state.leaseMu.Unlock()
		st.WarnOnly = s.warnOnly(ctx)
	}
	return answer{args: st}, nil
}

// warnOnly reads one setting of the sealed policy, and is no use of the vault
// either.
func (s *Server) warnOnly(ctx context.Context) bool {
	s.state.mu.RLock()
	defer s.state.mu.RUnlock()
	if s.state.open == nil {
		return false
	}
	p, err := s.policy(ctx, s.state.open)
	return err == nil && p.Loosen.WarnOnly
}

func (s *Server) opStop(context.Context, *client, *wire.Frame) (answer, error) {
	return answer{after: s.stop}, nil
}

func (s *Server) opLock(context.Context, *client, *wire.Frame) (answer, error) {
	return s.shutting(), nil
}

// opPut stores a value. What was about to be done is on record before it is done.
func (s *Server) opPut(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.PutRequest
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	if len(f.Values) != 1 {
		return answer{}, fmt.Errorf("put: %w: want one value", agent.ErrUsage)
	}
	p, verb, err := putOptions(&r)
	if err != nil {
		return answer{}, err
	}
	info, err := s.put(ctx, c, f, &r, f.Values[0], p, verb)
	return answer{args: public(info)}, err
}

func (s *Server) put(ctx context.Context, c *client, f *wire.Frame, r *agent.PutRequest, value secret.Value, p vault.PutOptions, verb Verb) (info vault.Info, err error) {
	if err := value.Check(r.Plain); err != nil {
		return info, fmt.Errorf("store %q: %w", r.Ref, err)
	}
	if !r.Plain {
		p.Strength = s.bits(value)
	}
	p.Before = recorded // the old version's tags are part of this record
	note := c.record("secret_"+string(cmp.Or(r.Mode, agent.Upsert)), r.Ref.Space(), "WRITING", r.Reason, r.Ref)
	if !r.Overwrite {
		p.Seen = s.known(r.Ref)
	}
	err = s.gated(ctx, c, f, writing(r, verb), note, func(o *opened) (err error) {
		info, err = o.vault.Put(ctx, r.Ref, value, p)
		return s.similar(ctx, o, r.Ref, err)
	})
	return info, err
}

// opMayPut passes a write through the gate before there is a value.
func (s *Server) opMayPut(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var r agent.PutRequest
	if err := args(f, &r); err != nil {
		return answer{}, err
	}
	_, verb, err := putOptions(&r)
	if err != nil {
		return answer{}, err
	}
	q := writing(&r, verb)
	q.Peek = true
	d, err := s.decide(ctx, c, f, &q)
	if err != nil || d.Allow {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	return answer{}, s.refused(o, d, c.record("secret_"+string(cmp.Or(r.Mode, agent.Upsert)), r.Ref.Space(), "WRITING", r.Reason, r.Ref))
}

// writing is a write as the gate sees it.
func writing(r *agent.PutRequest, verb Verb) Request {
	q := Request{Verb: verb, Refs: []secret.Ref{r.Ref}, From: r.From.Kind}
	q.Grant.Reason = r.Reason
	switch from := &r.From; from.Kind {
	case agent.FromUndeclared: // the worst that it can be
		q.From = agent.FromAParameter
	case agent.FromAFile:
		q.By = VerbFromFile
		q.What = fmt.Sprintf("%s a secret from the file %s", verb, from.Path)
		q.Grant.Dir = filepath.Dir(resolved(from.Path)) // what counts is where the file really lies
	case agent.FromACommand:
		q.By = VerbFromCommand
		q.What = fmt.Sprintf("%s a secret from what a command prints", verb)
		q.Grant.Executable, q.Grant.File, q.Grant.Argv, q.Grant.Dir, q.Grant.Inherited = from.Executable, from.File, from.Argv, from.Dir, from.Inherited
	}
	return q
}

// putOptions checks what is to be stored where.
func putOptions(r *agent.PutRequest) (p vault.PutOptions, verb Verb, err error) {
	p, verb = vault.PutOptions{Plain: r.Plain, Tags: r.Tags, IfVersion: r.IfVersion}, VerbUpdate
	switch r.Mode {
	case agent.Upsert, "":
	case agent.CreateOnly:
		p.Mode, verb = vault.CreateOnly, VerbCreate
	case agent.UpdateOnly:
		p.Mode = vault.UpdateOnly
	default:
		return p, verb, fmt.Errorf("put: %w: mode %q", agent.ErrUsage, r.Mode)
	}
	switch from := &r.From; from.Kind {
	case agent.FromAFile:
		if from.Path != "" && !filepath.IsAbs(from.Path) {
			return p, verb, fmt.Errorf("put: %w: a file is declared by its absolute path", agent.ErrUsage)
		}
	case agent.FromACommand:
		if !filepath.IsAbs(from.Executable) || !filepath.IsAbs(from.Dir) || len(from.Argv) == 0 {
			return p, verb, fmt.Errorf("put: %w: a command is declared by its executable, argv and folder", agent.ErrUsage)
		}
	case agent.FromUndeclared, agent.FromPerson, agent.FromGenerator, agent.FromAParameter:
	default:
		return p, verb, fmt.Errorf("put: %w: source %q", agent.ErrUsage, from.Kind)
	}
	return p, verb, r.Ref.Check()
}

func (s *Server) opDelete(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var ref secret.Ref
	if err := args(f, &ref); err != nil {
		return answer{}, err
	}
	if err := ref.Check(); err != nil {
		return answer{}, err
	}
	note := c.record("secret_delete", ref.Space(), "DELETING", "", ref)
	return answer{}, s.gated(ctx, c, f, Request{Verb: VerbDelete, Refs: []secret.Ref{ref}}, note, func(o *opened) error {
		return s.similar(ctx, o, ref, o.vault.Delete(ctx, ref))
	})
}

// gated does a change: gate, audit record, change. One that fails afterwards
// is on record as failed.
func (s *Server) gated(ctx context.Context, c *client, f *wire.Frame, r Request, note audit.Record, do func(*opened) error) error {
	d, err := s.decide(ctx, c, f, &r)
	if err != nil {
		return err
	}
	o, done, err := s.use()
	if err != nil {
		return err
	}
	defer done()
	if !d.Allow {
		return s.refused(o, d, note)
	}
	note.Limits = d.limits
	if err := o.note(note); err != nil {
		return err
	}
	if err := do(o); err != nil {
		note.Event, note.Limits = "FAILED", nil
		o.note(note)
		return err
	}
	return nil
}

func (s *Server) opList(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var q struct {
		App, Prefix string
		Env         string `json:"environment"`
	}
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	infos, err := o.vault.List(ctx, q.App, q.Env, q.Prefix, func([]vault.Head) error {
		return o.note(c.record("secret_list", q.App+"/"+q.Env, "LISTED", ""))
	})
	out := make([]agent.Info, len(infos))
	for i, info := range infos {
		out[i] = public(info)
	}
	return answer{args: out}, err
}

func (s *Server) opInfo(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var ref secret.Ref
	if err := args(f, &ref); err != nil {
		return answer{}, err
	}
	if err := ref.Check(); err != nil {
		return answer{}, err
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	info, err := o.vault.Info(ctx, ref, func([]vault.Head) error {
		return o.note(c.record("secret_info", ref.Space(), "LISTED", "", ref))
	})
	return answer{args: public(info)}, s.similar(ctx, o, ref, err)
}

func (s *Server) opSpaces(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	spaces, err := o.vault.Spaces(ctx)
	out := make([]agent.Space, len(spaces))
	for i, sp := range spaces {
		names, err := o.vault.Names(ctx, sp.App, sp.Env)
		if err != nil {
			return answer{}, err
		}
		out[i] = agent.Space{App: sp.App, Env: sp.Env, Secrets: len(names)}
	}
	return answer{args: out}, err
}

func (s *Server) opVerify(ctx context.Context, c *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	r, err := o.vault.Verify(ctx, func([]vault.Head) error {
		return o.note(c.record("vault_verify", "", "CHECKED", ""))
	})
	return answer{args: publicReport(r)}, err
}

func publicReport(r vault.Report) agent.Report {
	return agent.Report{Records: r.Records, Secrets: r.Secrets, Readable: r.Readable, Seq: r.Seq, Problems: r.Problems}
}

// size is the length of what is no secret, and the bucket of what is one: a
// length narrows a guess.
func size(i vault.Info) int {
	if i.Plain {
		return i.Size
	}
	bucket := 64
	for bucket < i.Size {
		bucket *= 2
	}
	return bucket
}

// public is what a client may know about a secret.
func public(i vault.Info) agent.Info {
	return agent.Info{Ref: i.Ref, Version: i.Version, Created: i.Created, Updated: i.Updated, Plain: i.Plain, Weak: i.Weak,
		Deleted: i.Deleted, Size: size(i), Tags: i.Tags, Device: i.Device, By: oneLine(i.By), Origin: originOf(i.Origin)}
}

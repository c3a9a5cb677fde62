package serve

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// maxLabel bounds the name that sealed notes are bound to.
const maxLabel = 200

// importing checks that values came with refs, and that no coding agent asks for
// what no person has let through: what compares values answers "was that the
// value?".
func (s *Server) importing(c *client, refs []secret.Ref, values []secret.Value) error {
	if c.actor.MCP() && !s.gate.mayImport(c.actor.Client, refs, s.c.Now()) {
		return &agent.Error{Err: agent.ErrDenied, Message: "import: denied: a coding agent plans an import, a person lets it through"}
	}
	if len(refs) == 0 || len(refs) > agent.MaxImport || len(refs) != len(values) {
		return fmt.Errorf("import: %w: %d references with %d values, 1 to %d at once", agent.ErrUsage, len(refs), len(values), agent.MaxImport)
	}
	for _, r := range refs {
		if err := r.Check(); err != nil {
			return err
		}
	}
	return nil
}

// opImportCompare says of each value whether it is new, the same or another.
func (s *Server) opImportCompare(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var refs []secret.Ref
	if err := args(f, &refs); err != nil {
		return answer{}, err
	}
	if err := s.importing(c, refs, f.Values); err != nil {
		return answer{}, err
	}
	out := make([]agent.Compared, len(refs))
	note := c.record("vault_import", refs[0].Space(), "COMPARING", "", refs...)
	err := s.gated(ctx, c, f, Request{Verb: VerbImport, Refs: refs, Asked: c.actor.MCP()}, note, func(o *opened) error {
		known, err := o.known(ctx, refs)
		if err != nil {
			return err
		}
		defer wipeAll(known)
		key := o.vault.Derive("ov/v1/import-fingerprint")
		defer clear(key)
		for i, ref := range refs {
			out[i].Fingerprint = fingerprint(key, f.Values[i])
			if old, ok := known[ref]; ok {
				out[i].Version, out[i].Origin = old.Version, originOf(old.Origin)
				out[i].Same = same(old.Value, f.Values[i])
			}
		}
		return s.guessed(o, note, refs, out)
	})
	return answer{args: out}, err
}

// guessed counts the values that are others than the stored ones as fragments:
// whoever compares answers "is that the value?", and must not be asked without end.
func (s *Server) guessed(o *opened, note audit.Record, refs []secret.Ref, compared []agent.Compared) error {
	note.Event, note.Names, note.Limits = "COMPARED", nil, nil
	for i, ref := range refs {
		if c := compared[i]; c.Version > 0 && !c.Same {
			s.gate.saw(ref.String(), 1, s.c.Now())
			note.Masked = append(note.Masked, audit.Count{Name: ref.String(), Lane: "fragments", Rule: "compared", N: 1})
		}
	}
	if len(note.Masked) == 0 {
		return nil
	}
	return o.note(note)
}

// known opens those of refs that exist. The caller has put it on record.
func (o *opened) known(ctx context.Context, refs []secret.Ref) (map[secret.Ref]vault.Opened, error) {
	there := map[secret.Ref]bool{}
	spaces := map[vault.Space]bool{}
	for _, r := range refs {
		spaces[vault.Space{App: r.App, Env: r.Env}] = true
	}
	for sp := range spaces {
		heads, err := o.vault.Names(ctx, sp.App, sp.Env)
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			there[h.Ref] = true
		}
	}
	var want []secret.Ref
	for _, r := range refs {
		if there[r] {
			want = append(want, r)
		}
	}
	if len(want) == 0 {
		return nil, nil
	}
	values, err := o.vault.Open(ctx, want, func([]vault.Head) error { return nil })
	if err != nil {
		return nil, err
	}
	out := make(map[secret.Ref]vault.Opened, len(values))
	for _, v := range values {
		out[v.Ref] = v
	}
	return out, nil
}

func wipeAll(known map[secret.Ref]vault.Opened) {
	for _, v := range known {
		v.Value.Wipe()
	}
}

// fingerprint names a value under a key of this vault.
func fingerprint(key []byte, v secret.Value) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(v.Reveal())
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// originOf reads what an import noted; what cannot be read is as good as nothing.
func originOf(text string) *agent.Origin {
	if text == "" {
		return nil
	}
	o := new(agent.Origin)
	if json.Unmarshal([]byte(text), o) != nil {
		return nil
	}
	return o
}

// opImportPut stores values in one commit. What was about to be done is on
// record before it is done.
func (s *Server) opImportPut(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var rows []agent.ImportRow
	if err := args(f, &rows); err != nil {
		return answer{}, err
	}
	refs, writes := make([]secret.Ref, len(rows)), make([]vault.Write, len(rows))
	for i, r := range rows {
		refs[i] = r.Ref
	}
	if err := s.importing(c, refs, f.Values); err != nil {
		return answer{}, err
	}
	for i, r := range rows {
		if err := f.Values[i].Check(false); err != nil {
			return answer{}, fmt.Errorf("import %q: %w", r.Ref, err)
		}
		text, err := json.Marshal(r.Origin)
		if err != nil {
			return answer{}, err
		}
		p := vault.PutOptions{IfVersion: r.IfVersion, Strength: s.bits(f.Values[i]), Origin: string(text)}
		p.Before = func([]vault.Head) error { return nil } // the old version's tags are part of this record
		if r.IfVersion == 0 {
			p.Mode = vault.CreateOnly
		}
		writes[i] = vault.Write{Ref: r.Ref, Value: f.Values[i], PutOptions: p}
	}
	out := make([]agent.Info, len(rows))
	note := c.record("vault_import", refs[0].Space(), "WRITING", rows[0].Origin.Source, refs...)
	note.Run = oneLine(rows[0].Origin.Plan)
	err := s.gated(ctx, c, f, Request{Verb: VerbImport, Refs: refs, Asked: c.actor.MCP()}, note, func(o *opened) error {
		infos, err := o.vault.PutAll(ctx, writes)
		for i := range infos {
			out[i] = public(infos[i])
		}
		return err
	})
	return answer{args: out}, err
}

// opImportSeal and opImportOpen keep an importer's notes: its plans and its
// journal. The key is of this vault and for nothing else.
func (s *Server) opImportSeal(_ context.Context, c *client, f *wire.Frame) (answer, error) {
	return s.notes(c, f, func(gcm cipher.AEAD, n agent.Sealed) ([]byte, error) {
		return gcm.Seal(nil, nil, n.Data, []byte(n.Label)), nil
	})
}

func (s *Server) opImportOpen(_ context.Context, c *client, f *wire.Frame) (answer, error) {
	return s.notes(c, f, func(gcm cipher.AEAD, n agent.Sealed) ([]byte, error) {
		plain, err := gcm.Open(nil, nil, n.Data, []byte(n.Label))
		if err != nil {
			return nil, &agent.Error{Err: agent.ErrTampered, Message: "open notes of an import: they were altered, or belong to another vault"}
		}
		return plain, nil
	})
}

func (s *Server) notes(c *client, f *wire.Frame, do func(cipher.AEAD, agent.Sealed) ([]byte, error)) (answer, error) {
	var n agent.Sealed
	if err := args(f, &n); err != nil {
		return answer{}, err
	}
	if len(n.Label) > maxLabel || c.actor.MCP() && !s.gate.mayImport(c.actor.Client, nil, s.c.Now()) {
		return answer{}, fmt.Errorf("import notes: %w", agent.ErrDenied)
	}
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	key := o.vault.Derive("ov/v1/import-notes")
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return answer{}, err
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return answer{}, err
	}
	n.Data, err = do(gcm, n)
	return answer{args: n}, err
}

// opCatalogShow lists the providers that a person registered.
func (s *Server) opCatalogShow(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	out := []agent.Registered{}
	text, err := o.vault.Sealed(ctx, vault.Catalog)
	if errors.Is(err, vault.ErrNotFound) {
		return answer{args: out}, nil
	}
	if err == nil && json.Unmarshal(text, &out) != nil {
		err = fmt.Errorf("read catalog: %w", vault.ErrCorrupt)
	}
	return answer{args: out}, err
}

// opCatalogSet stores the registered providers, for the master password: each
// of them is a program that may read a service's credentials.
func (s *Server) opCatalogSet(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	var all []agent.Registered
	if c.actor.MCP() {
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "set catalog: denied: a coding agent does not register providers"}
	}
	return s.freshOp(ctx, c, f, "provider_catalog", &all, func(o *opened, _ secret.Value) error {
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		return o.vault.PutSealed(ctx, vault.Catalog, text)
	})
}

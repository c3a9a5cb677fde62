package plan

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/sdk/provider"
)

// An Action is what is to be done with a row.
type Action string

// The actions, in the order in which people should see them.
const (
	Clash    Action = "clash"    // several entries would become one secret
	Conflict Action = "conflict" // a secret of this name exists and came from elsewhere
	Invalid  Action = "invalid"  // cannot be stored
	Failed   Action = "failed"   // cannot be read
	Create   Action = "create"
	Update   Action = "update"
	Skip     Action = "skip"
	Same     Action = "same"
)

func order() []Action {
	return []Action{Clash, Conflict, Invalid, Failed, Create, Update, Skip, Same}
}

// A Row is one secret that an entry becomes.
type Row struct {
	Action      Action       `json:"action"`
	Ref         secret.Ref   `json:"ref"`
	Entry       string       `json:"entry"` // as the provider names it
	Key         string       `json:"key,omitempty"`
	Parts       int          `json:"parts"`
	Version     string       `json:"version,omitempty"` // the service's
	Token       string       `json:"token,omitempty"`
	Replaces    uint64       `json:"replaces,omitempty"`    // the vault's version
	Fingerprint string       `json:"fingerprint,omitempty"` // of the value, under a key of the vault
	Note        string       `json:"note,omitempty"`
	Unread      bool         `json:"-"` // known to be the same without reading it
	Value       secret.Value `json:"-"`
}

// A Plan is what an import would do.
type Plan struct {
	ID       string            `json:"id"`
	Created  time.Time         `json:"created"`
	Provider string            `json:"provider"`
	SHA256   string            `json:"sha256"` // of the provider's binary
	Account  string            `json:"account"`
	Settings map[string]string `json:"settings,omitempty"`
	Path     string            `json:"path,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Mapping  Mapping           `json:"mapping"`
	Rows     []Row             `json:"rows"`
}

// New returns a plan without rows.
func New(m Mapping) *Plan {
	id := make([]byte, 8)
	rand.Read(id)
	return &Plan{ID: hex.EncodeToString(id), Created: time.Now().UTC().Truncate(time.Second), Mapping: m}
}

// Source names whose entries these are, the same in every plan.
func (p *Plan) Source() string { return p.Provider + ": " + p.Account }

// Origin is what is sealed with the value of a row.
func (p *Plan) Origin(r Row) agent.Origin {
	return agent.Origin{Source: p.Source(), SHA256: p.SHA256, Ref: r.Entry, Key: r.Key, Parts: r.Parts,
		Version: r.Version, Token: r.Token, Mapping: p.Mapping.Digest(), Plan: p.ID, Time: p.Created}
}

// Known adds a row for every secret of an entry that has not changed since it
// was imported, and returns the entries that must be read. infos are all
// secrets of the target.
func (p *Plan) Known(entries []provider.Entry, infos []agent.Info) []provider.Entry {
	byEntry := map[string][]agent.Info{}
	for _, i := range infos {
		if o := i.Origin; o != nil && o.Source == p.Source() && o.Mapping == p.Mapping.Digest() {
			byEntry[o.Ref] = append(byEntry[o.Ref], i)
		}
	}
	var read []provider.Entry
	for _, e := range entries {
		have := byEntry[e.Ref]
		if !unchanged(e, have) {
			read = append(read, e)
			continue
		}
		for _, i := range have {
			p.Rows = append(p.Rows, Row{Action: Same, Ref: i.Ref, Entry: e.Ref, Key: i.Origin.Key, Parts: i.Origin.Parts,
				Version: e.Version, Token: e.ChangeToken, Replaces: i.Version, Unread: true})
		}
	}
	return read
}

// unchanged reports whether have is all that the entry became, at its present
// change token. An entry without one is always read.
func unchanged(e provider.Entry, have []agent.Info) bool {
	if e.ChangeToken == "" || len(have) == 0 {
		return false
	}
	for _, i := range have {
		if i.Origin.Token != e.ChangeToken || i.Origin.Parts != len(have) {
			return false
		}
	}
	return true
}

// Add makes rows of an entry's value, which they own from now on.
func (p *Plan) Add(e provider.Entry, v secret.Value, binary bool) {
	parts := []Part{{Value: v}}
	var err error
	if !binary {
		parts, err = p.Mapping.Split(v)
	}
	if err != nil {
		v.Wipe()
		p.Reject(e, Invalid, err.Error())
		return
	}
	for _, part := range parts {
		r := Row{Action: Create, Entry: e.Ref, Key: part.Key, Parts: len(parts), Version: e.Version, Token: e.ChangeToken, Value: part.Value}
		p.name(&r, e)
		if err := part.Value.Check(false); err != nil {
			r.refuse(err.Error())
		}
		switch {
		case binary:
			r.note("binary: deliver it as a file")
		case part.Value.CheckEnv() != nil:
			r.note("holds a NUL byte: deliver it as a file")
		}
		if e.Owner != "" {
			r.note(e.Owner + " changes it by itself")
		}
		p.Rows = append(p.Rows, r)
	}
}

// Reject adds a row for an entry that was not read, or cannot be stored.
func (p *Plan) Reject(e provider.Entry, a Action, why string) {
	r := Row{Entry: e.Ref, Parts: 1, Version: e.Version, Token: e.ChangeToken}
	p.name(&r, e)
	r.Action = a
	r.note(why)
	p.Rows = append(p.Rows, r)
}

func (p *Plan) name(r *Row, e provider.Entry) {
	name, err := p.Mapping.Name(e, r.Key)
	r.Ref = secret.Ref{App: p.Mapping.App, Env: p.Mapping.Env, Name: name}
	if err != nil {
		r.refuse(err.Error())
	}
}

func (r *Row) refuse(why string) {
	r.Action = Invalid
	r.note(why)
}

func (r *Row) note(text string) {
	if r.Note != "" {
		r.Note += "; "
	}
	r.Note += text
}

// Clashes marks the rows that would become one secret. There is no way around
// these but another mapping.
func (p *Plan) Clashes() {
	by := map[secret.Ref][]int{}
	for i, r := range p.Rows {
		if r.Action != Invalid && r.Action != Failed {
			by[r.Ref] = append(by[r.Ref], i)
		}
	}
	for _, rows := range by {
		if len(rows) < 2 {
			continue
		}
		for _, i := range rows {
			p.Rows[i].Action = Clash
			p.Rows[i].note(fmt.Sprintf("%d entries would become %s", len(rows), p.Rows[i].Ref.Name))
		}
	}
}

// The ways to deal with a conflict.
const (
	FailConflicts = "fail"
	SkipConflicts = "skip"
	Overwrite     = "overwrite"
	Rename        = "rename"
)

// Decide turns a comparison into an action.
func (p *Plan) Decide(r *Row, c agent.Compared, onConflict string) {
	r.Fingerprint, r.Replaces = c.Fingerprint, c.Version
	ours := c.Origin != nil && c.Origin.Source == p.Source() && c.Origin.Ref == r.Entry && c.Origin.Key == r.Key
	switch {
	case c.Version == 0:
		r.Action = Create
	case c.Same:
		r.Action = Same
	case ours || onConflict == Overwrite:
		r.Action = Update
	case onConflict == SkipConflicts:
		r.Action = Skip
		r.note("a secret of this name exists")
	default:
		r.Action = Conflict
		r.note("a secret of this name exists and did not come from here")
	}
}

// Renamed gives a row in conflict the first free name.
func (p *Plan) Renamed(r *Row, taken func(secret.Ref) bool) {
	base := r.Ref.Name
	for n := 2; taken(r.Ref); n++ {
		r.Ref.Name = fmt.Sprintf("%s_%d", base, n)
	}
	r.Action, r.Replaces = Create, 0
	r.Note = "renamed: " + base + " exists"
}

// Sort puts what needs attention first.
func (p *Plan) Sort() {
	slices.SortStableFunc(p.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(slices.Index(order(), a.Action), slices.Index(order(), b.Action)),
			cmp.Compare(a.Ref.Name, b.Ref.Name), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Key, b.Key))
	})
}

// Count returns how many rows there are of each of the actions.
func (p *Plan) Count(actions ...Action) int {
	n := 0
	for _, r := range p.Rows {
		if slices.Contains(actions, r.Action) {
			n++
		}
	}
	return n
}

// Pending returns the rows that change the vault.
func (p *Plan) Pending() []*Row {
	var out []*Row
	for i := range p.Rows {
		if a := p.Rows[i].Action; a == Create || a == Update {
			out = append(out, &p.Rows[i])
		}
	}
	return out
}

// Wipe zeroes every value.
func (p *Plan) Wipe() {
	for _, r := range p.Rows {
		r.Value.Wipe()
	}
}

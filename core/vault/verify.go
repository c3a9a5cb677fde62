package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// A Report is the answer of Verify.
type Report struct {
	Records  int // stored versions of secrets
	Readable int // of these, opened and checked
	Secrets  int // names, deleted ones not counted
	Seq      uint64
	Problems []string // the first hundred
}

const maxProblems = 100

func (r *Report) problem(format string, args ...any) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
	}
}

// Verify opens and checks every stored version, one by one, and says what it
// cannot read. before is asked once, with every space.
func (v *Vault) Verify(ctx context.Context, before Before) (Report, error) {
	var r Report
	err := v.read(ctx, func() error {
		r = Report{Seq: v.state.head.Seq}
		if err := agree(before, v.everySpace()); err != nil {
			return err
		}
		v.verifyAll(ctx, &r)
		return nil
	})
	return r, err
}

// verifyAll opens every version of every secret and reads all else.
func (v *Vault) verifyAll(ctx context.Context, r *Report) {
	known := map[seal.EnvID]bool{}
	for _, e := range v.state.envs {
		known[e.ID] = true
		for _, id := range v.state.groups[e.ID] {
			v.verifySecret(ctx, e, id, r)
		}
	}
	for k, e := range v.state.entries {
		if k.Kind == seal.KindSecret && known[e.group] {
			continue
		}
		if _, err := v.fetch(ctx, []blob.Key{k}); err != nil {
			r.problem("kind %d, id %x: %v", k.Kind, k.ID[:4], err)
		} else if k.Kind == seal.KindSecret {
			r.Records++
			r.problem("id %x: of an environment that does not exist", k.ID[:4])
		}
	}
	slices.Sort(r.Problems)
}

// verifySecret opens every version of one secret.
func (v *Vault) verifySecret(ctx context.Context, e seal.Env, id seal.ID, r *Report) {
	key, newest := v.keys.envs[e.ID], v.state.newest(e.ID, id)
	for _, n := range v.state.versions(e.ID, id) {
		r.Records++
		k := blob.Key{Kind: seal.KindSecret, ID: id, Version: n}
		name, err := v.verifyVersion(ctx, key, e, k)
		switch {
		case err != nil && name.name != "":
			r.problem("%s/%s/%s version %d: %v", e.App, e.Name, name.name, n, err)
		case err != nil:
			r.problem("%s/%s id %x version %d: %v", e.App, e.Name, id[:4], n, err)
		default:
			r.Readable++
			if n == newest && !name.deleted {
				r.Secrets++
			}
		}
	}
}

func (v *Vault) verifyVersion(ctx context.Context, key *seal.EnvKey, e seal.Env, k blob.Key) (named, error) {
	data, err := v.fetch(ctx, []blob.Key{k})
	if err != nil {
		return named{}, err
	}
	name, err := openName(key, k, data[0])
	if err != nil {
		return named{}, err
	}
	rec, err := seal.ParseRecord(data[0])
	if err != nil {
		return name, openError("record", err)
	}
	_, value, err := rec.Open(key, key.Place(k.ID, k.Version), secret.Ref{App: e.App, Env: e.Name, Name: name.name})
	if err != nil {
		return name, openError("record", err)
	}
	value.Wipe()
	return name, nil
}

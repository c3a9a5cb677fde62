package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/seal"
)

// An environment that principals read holds a copy of the policy, under a key
// that they have: a machine obeys the rules that a device does.

// An envPolicy is such a copy.
type envPolicy struct {
	version uint64
	text    []byte // empty: there is no policy but the default
}

// envPolicyKey returns where env's copy is, or false.
func (s *state) envPolicyKey(vault seal.VaultID, env seal.EnvID) (blob.Key, bool) {
	id := seal.EnvPolicyID(vault, env)
	n := s.policies[env]
	return blob.Key{Kind: seal.KindEnvPolicy, ID: id, Version: n}, n > 0
}

// envPolicy opens the copy of env.
func (v *Vault) envPolicy(ctx context.Context, env seal.EnvID, key *seal.EnvKey) (envPolicy, error) {
	k, ok := v.state.envPolicyKey(v.vault, env)
	if !ok {
		return envPolicy{}, fmt.Errorf("policy of an environment: %w", ErrNotFound)
	}
	data, err := v.fetch(ctx, []blob.Key{k})
	if err != nil {
		return envPolicy{}, err
	}
	text, err := seal.OpenEnvPolicy(key, k.Version, data[0])
	if err != nil {
		return envPolicy{}, openError("policy of an environment", err)
	}
	return envPolicy{k.Version, text}, nil
}

// policyFor returns the copy that env needs, or nil when it has one.
func (t *tx) policyFor(ctx context.Context, env seal.EnvID) (*envPolicy, error) {
	if _, ok := t.v.state.envPolicyKey(t.v.vault, env); ok || t.policies[env] {
		return nil, nil
	}
	text, err := t.v.openBlob(ctx, Policy)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return &envPolicy{1, text}, nil
}

// putEnvPolicy seals a copy for the readers of an environment.
func (t *tx) putEnvPolicy(k *seal.EnvKey, text []byte, version uint64) {
	t.add(seal.KindEnvPolicy, k.Env, seal.EnvPolicyID(k.Vault, k.Env), version, seal.SealEnvPolicy(k, version, text))
	t.policies[k.Env] = true
}

// copyPolicy brings the copies of every environment that has one up to date.
func (t *tx) copyPolicy(text []byte) {
	for env, version := range t.v.state.policies {
		k, ok := t.v.state.envPolicyKey(t.v.vault, env)
		key := t.v.keys.envs[env]
		if !ok || key == nil {
			continue
		}
		if t.policies[env] { // it has been changed in this very commit
			k.Version = version + 1
		}
		t.drop(k)
		t.putEnvPolicy(key, text, version+1)
	}
}

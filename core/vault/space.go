package vault

import (
	"context"
	"fmt"
	"slices"

	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
)

// CreateSpace makes the environment app/env, without a secret.
func (v *Vault) CreateSpace(ctx context.Context, app, env string) error {
	place, err := space(app, env)
	if err != nil {
		return fmt.Errorf("create environment: %w", err)
	}
	err = v.write(ctx, func(t *tx) error {
		if slices.ContainsFunc(t.spaces(), func(s Space) bool { return s == place }) {
			return ErrTaken
		}
		_, err := t.env(app, env, true)
		return err
	})
	if err != nil {
		return fmt.Errorf("create environment %s/%s: %w", app, env, err)
	}
	return nil
}

// DeleteSpace removes the environment app/env for good: its key, its secrets and
// their history. It must hold no secrets but those that the caller names, each in
// the version that he has seen, and no machine key may open it: else it is an
// ErrConflict.
func (v *Vault) DeleteSpace(ctx context.Context, app, env string, holds []Head) error {
	err := v.write(ctx, func(t *tx) error {
		e, ok := v.state.env(app, env)
		if !ok || !slices.ContainsFunc(t.spaces(), func(s Space) bool { return s == Space{App: app, Env: env} }) {
			return ErrNotFound
		}
		if len(t.newest) > 0 || t.envs != nil || t.people != nil {
			return fmt.Errorf("something else changes at the same time: %w", ErrConflict)
		}
		people, err := v.readRoster(ctx)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(people.Principals, func(p rosterPrincipal) bool { return p.App == app && p.Env == env }) {
			return fmt.Errorf("machine keys open it: %w", ErrConflict)
		}
		now, err := v.namesOf(ctx, app, env)
		if err != nil {
			return err
		}
		if !slices.Equal(now, holds) {
			return fmt.Errorf("it holds %d secrets, not the %d that were seen: %w", len(now), len(holds), ErrConflict)
		}
		for k, entry := range v.state.entries {
			if entry.group == e.ID {
				t.drop(k)
			}
		}
		t.envs = slices.DeleteFunc(slices.Clone(v.state.envs), func(o seal.Env) bool { return o.ID == e.ID })
		return nil
	})
	if err != nil {
		return fmt.Errorf("delete environment %s/%s: %w", app, env, err)
	}
	return nil
}

// spaces are the environments as this tx will leave them.
func (t *tx) spaces() []Space {
	envs := t.envs
	if envs == nil {
		envs = t.v.state.envs
	}
	var all []Space
	for _, e := range envs {
		all = append(all, Space{App: e.App, Env: e.Name})
	}
	return all
}

// space checks the names of an environment.
func space(app, env string) (Space, error) {
	r := secret.Ref{App: app, Env: env, Name: "X"}
	return Space{App: app, Env: env}, r.Check()
}

package server

import (
	"context"
	"slices"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// admitMember holds a member's commit to what every client will hold it to. One
// that they refuse must not be stored: nothing could come after it, and the vault
// would be at its end. That next follows prev is known.
func (s *Server) admitMember(ctx context.Context, c *caller, in *wire.Commit, next, prev *manifest.Manifest) error {
	if wait, err := s.devicesTurn(ctx, c.vault); err != nil {
		return err
	} else if wait {
		return s.conflict(ctx, c.vault)
	}
	if in.Locator != [16]byte{} {
		return forbidden("a member does not say how a vault is found")
	}
	if latest := uint64(s.c.Now().Add(channel.Skew).UnixMilli()); next.Time > max(latest, prev.Time) {
		return forbidden("the manifest is dated ahead of this server's clock")
	}
	run, err := s.run(ctx, c, prev, next.Prev)
	if err != nil {
		return err
	}
	if run >= maxRun {
		return forbidden("members have made the last 500 commits: a device of the vault has to look at them first, with any command of its own")
	}
	stored, err := s.c.Depot.Changes(ctx, c.vault, 0)
	if err != nil {
		return err
	}
	added := make([]manifest.Entry, len(in.Put))
	ids := make(map[manifest.ID]bool, len(in.Put))
	for i := range in.Put {
		r := &in.Put[i]
		added[i] = manifest.Entry{Kind: r.Kind, Env: r.Group, ID: r.ID, Version: r.Version, Sum: r.Sum, Seq: in.Seq}
		ids[r.ID] = true
	}
	envs := next.Writer.Envs
	var held []manifest.Entry
	for _, e := range stored {
		switch {
		case slices.Contains(envs, e.Group):
			if e.Seq <= in.Base {
				held = append(held, manifest.Entry{Kind: e.Kind, Env: e.Group, ID: e.ID, Version: e.Version, Sum: e.Sum, Seq: e.Seq})
			}
		case ids[e.ID]:
			return forbidden("a member puts a record under the id of one of another environment")
		}
	}
	h, ok := manifest.NewHolding(prev, held, envs)
	if !ok { // the head moved on meanwhile
		return s.conflict(ctx, c.vault)
	}
	if !h.Add(next, added, envs) {
		return forbidden("a member adds the next versions of secrets, and the manifest's roots are over them: nothing else")
	}
	s.keys.keepRun(manifest.Chain(in.Manifest), run+1)
	return nil
}

// maxRun is how many commits members may make without one of a device in between.
// Whoever takes them over goes back to the last one of a device, and so many
// manifests, and not many more, are kept: a member must not make a vault that
// nobody can follow.
const maxRun = blob.KeepManifests / 2

// run returns how many commits of members end with prev, whose hash is h.
func (s *Server) run(ctx context.Context, c *caller, prev *manifest.Manifest, h manifest.Hash) (int, error) {
	n, first := 0, h
	for m := prev; m.Writer != nil && n < maxRun; n++ {
		if known := s.keys.run(h); known >= 0 {
			n += known
			break
		}
		data, err := s.c.Depot.Manifest(ctx, c.vault, m.Seq-1)
		if err != nil {
			return 0, err
		}
		h = m.Prev
		if m, err = s.parse(data); err != nil {
			return 0, err
		}
	}
	s.keys.keepRun(first, n)
	return n, nil
}

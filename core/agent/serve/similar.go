package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// maxSimilar is how many names are offered for one that was not found.
const maxSimilar = 3

// similar adds names close to ref's to an ErrNotFound.
func (s *Server) similar(ctx context.Context, o *opened, ref secret.Ref, err error) error {
	if !errors.Is(err, vault.ErrNotFound) {
		return err
	}
	names := []string{}
	if heads, e := o.vault.Names(ctx, ref.App, ref.Env); e == nil {
		for _, h := range heads {
			names = append(names, h.Ref.Name)
		}
	}
	return &agent.Error{Err: agent.ErrNotFound, Message: fmt.Sprintf("secret %q: %v", ref, agent.ErrNotFound), Similar: closest(ref.Name, names)}
}

// similarOf is similar for all of refs that are not there.
func (s *Server) similarOf(ctx context.Context, o *opened, refs []secret.Ref, err error) error {
	if !errors.Is(err, vault.ErrNotFound) {
		return err
	}
	known, space := map[secret.Ref]bool{}, ""
	var missing []error
	for _, ref := range refs { // sorted, so that each space is asked for once
		if ref.Space() != space {
			space = ref.Space()
			heads, e := o.vault.Names(ctx, ref.App, ref.Env)
			if e != nil && !errors.Is(e, vault.ErrNotFound) {
				return err
			}
			for _, h := range heads {
				known[h.Ref] = true
			}
		}
		if !known[ref] {
			missing = append(missing, s.similar(ctx, o, ref, err))
		}
	}
	switch len(missing) {
	case 0:
		return err
	case 1:
		return missing[0]
	}
	all := &agent.Error{Err: agent.ErrNotFound}
	var said []string
	for _, e := range missing {
		said = append(said, e.Error())
		all.Similar = append(all.Similar, agent.Similar(e)...)
	}
	all.Message = strings.Join(said, "; ")
	return all
}

// closest returns the names that a typing mistake may have been meant for,
// best first.
func closest(want string, names []string) []string {
	type near struct {
		name string
		far  int
	}
	var found []near
	limit := max(1, len(want)/3)
	for _, n := range names {
		d := distance(strings.ToUpper(want), strings.ToUpper(n))
		if strings.Contains(strings.ToUpper(n), strings.ToUpper(want)) && len(want) > 2 {
			d = min(d, limit)
		}
		if d <= limit {
			found = append(found, near{n, d})
		}
	}
	slices.SortFunc(found, func(a, b near) int { return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.name, b.name)) })
	out := []string{}
	for _, n := range found[:min(len(found), maxSimilar)] {
		out = append(out, n.name)
	}
	return out
}

// distance is how many insertions, deletions and replacements lead from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

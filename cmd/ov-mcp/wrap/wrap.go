// Package wrap runs another MCP server with secrets of the vault in its
// environment and masks what it sends: a client's configuration names secrets
// as ov://app/environment/NAME instead of holding them.
package wrap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/secret"
)

// Scheme begins a variable's value that names a secret.
const Scheme = "ov://"

// Split takes the references out of an environment: the wants they stand for,
// and the variables that are left.
func Split(environ []string, context secret.Ref) (wants []broker.Want, rest []string, err error) {
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		ref, is := strings.CutPrefix(value, Scheme)
		if !is {
			rest = append(rest, kv)
			continue
		}
		r, err := secret.ParseRef(ref, context)
		if err != nil {
			return nil, nil, fmt.Errorf("variable %q: %w", name, err)
		}
		if err := secret.CheckName(name); err != nil {
			return nil, nil, fmt.Errorf("variable %q: %w", name, err)
		}
		wants = append(wants, broker.Want{Ref: r, As: name})
	}
	return wants, rest, nil
}

// Named adds the secrets of a comma list, NAME or VARIABLE=NAME, to wants.
func Named(wants []broker.Want, list string, context secret.Ref) ([]broker.Want, error) {
	if list == "" {
		return wants, nil
	}
	for item := range strings.SplitSeq(list, ",") {
		as, name, renamed := strings.Cut(strings.TrimSpace(item), "=")
		if !renamed {
			name = as
		}
		ref, err := secret.ParseRef(name, context)
		if err != nil {
			return nil, fmt.Errorf("--secrets: %w", err)
		}
		if !renamed {
			as = ref.Name
		}
		if err := secret.CheckName(as); err != nil {
			return nil, fmt.Errorf("--secrets: %w", err)
		}
		if slices.ContainsFunc(wants, func(w broker.Want) bool { return w.As == as }) {
			return nil, fmt.Errorf("--secrets: %s is given twice", as)
		}
		wants = append(wants, broker.Want{Ref: ref, As: as})
	}
	return wants, nil
}

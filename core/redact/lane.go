package redact

import (
	"fmt"
	"strings"
)

// Lanes is a set of lanes: ways to look at the stream.
type Lanes uint8

// The lanes. Each has a semantics of its own, stated in the package comment.
const (
	Exact Lanes = 1 << iota
	Encoded
	Squeezed
	Fragments

	All = Exact | Encoded | Squeezed | Fragments
)

var laneNames = [...]string{"exact", "encoded", "squeezed", "fragments"}

// ParseLanes reads names separated by commas, or "all".
func ParseLanes(s string) (Lanes, error) {
	if s == "all" {
		return All, nil
	}
	var l Lanes
next:
	for name := range strings.SplitSeq(s, ",") {
		for i, n := range laneNames {
			if strings.TrimSpace(name) == n {
				l |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("parse lanes %q: unknown lane %q", s, strings.TrimSpace(name))
	}
	return l, nil
}

// String returns the names, separated by commas.
func (l Lanes) String() string {
	var names []string
	for i, n := range laneNames {
		if l&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

package serve

import (
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/policy"
)

// switchedOff returns a masking lane that g does without and that the policy
// does not let anybody switch off, or "". Nothing ever does without the exact
// one: values would be passed on as they are. No lanes at all means all. What
// only looks for values (mask) gives them to nobody, and has the lanes it wants.
func switchedOff(g *agent.GrantRequest, l *policy.Loosen) string {
	if g.Lanes == "" || g.Kind == agent.GrantMask {
		return ""
	}
	on := strings.Split(g.Lanes, ",")
	for _, lane := range agent.Lanes() {
		if !slices.Contains(on, lane) && (lane == "exact" || !slices.Contains(l.Lanes, lane)) {
			return lane
		}
	}
	return ""
}

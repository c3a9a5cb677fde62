package tools

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
)

// TestDescribe: a server is reachable, not reachable, or not known to be either;
// how old its last answer is is never a guess.
func TestDescribe(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tt := range []struct {
		r    *agent.RemoteStatus
		want string
	}{
		{nil, `{"configured":false}`},
		{&agent.RemoteStatus{State: agent.RemoteUnknown}, `{"configured":true,"state":"unknown"}`},
		{&agent.RemoteStatus{State: agent.RemoteOnline, Synced: now.Add(-90 * time.Second)},
			`{"configured":true,"state":"online","reachable":true,"last_answer_ms_ago":90000}`},
		{&agent.RemoteStatus{State: agent.RemoteOnline, Synced: now.Add(time.Hour)}, `{"configured":true,"state":"online","reachable":true,"last_answer_ms_ago":0}`},
		{&agent.RemoteStatus{State: agent.RemoteOffline, Problem: "refused\nby", Behind: 3},
			`{"configured":true,"state":"offline","reachable":false,"commits_behind":3,"problem":"refused by"}`},
		{&agent.RemoteStatus{State: agent.RemoteRefused, Problem: "revoked"}, `{"configured":true,"state":"refused","reachable":true,"problem":"revoked"}`},
	} {
		if got, err := json.Marshal(describe(tt.r, now)); string(got) != tt.want || err != nil {
			t.Errorf("%s, want %s (%v)", got, tt.want, err)
		}
	}
}

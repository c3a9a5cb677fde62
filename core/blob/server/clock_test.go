package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/servertest"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

// The server's clock was ten years ahead, and is set right: nothing that was
// counted or kept by it stays in the way for ten years, over both databases.
func TestClockJumps(t *testing.T) {
	depots(t, func(t *testing.T, c server.Config) {
		clk := newClock()
		c.Now = clk.now
		rig := servertest.Start(t, c)
		v := newVault(t, rig)
		guess := func() answer {
			return send(t, rig, request{method: "GET", path: v.path("head"), signer: servertest.NewKey(channel.RoleAuth), at: clk.now()})
		}
		ask := func() answer {
			return send(t, rig, request{method: "POST", path: v.path("requests"), body: []byte("let me in"), signer: servertest.NewKey(channel.RoleNew), at: clk.now()})
		}
		head := func() answer {
			return send(t, rig, request{method: "GET", path: v.path("head"), signer: v.dev, at: clk.now()})
		}
		use := func(what string) {
			t.Helper()
			for i := range 20 {
				wantProblem(t, fmt.Sprint(what, ", guess ", i), guess(), 401, wire.CodeUnknownKey)
			}
			wantProblem(t, what+", one guess more", guess(), 429, wire.CodeRate)
			for i := range 5 {
				if a := ask(); a.status != 201 {
					t.Errorf("%s, request %d: %d %s", what, i, a.status, a.body)
				}
			}
			wantProblem(t, what+", one request more", ask(), 429, wire.CodeRate)
			if a := head(); a.status != 200 {
				t.Errorf("%s, a device: %d %s", what, a.status, a.body)
			}
		}
		next := v.commitBody(t, 2, blobtest.Record(2, 1))
		const tenYears = 10 * 365 * 24 * time.Hour
		clk.add(tenYears)
		use("ten years on")
		a := send(t, rig, request{method: "POST", path: v.path("commits"), body: next, signer: v.dev, header: idempotency("k"), at: clk.now()})
		if a.status != 200 {
			t.Errorf("a commit: %d %s", a.status, a.body)
		}
		clk.add(-tenYears)
		use("right again")
		blobtest.Check(t, v, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))
		// A little back is no way around the limits.
		clk.add(-10 * time.Minute)
		wantProblem(t, "ten minutes back, a guess", guess(), 429, wire.CodeRate)
		wantProblem(t, "ten minutes back, a request", ask(), 429, wire.CodeRate)
	})
}

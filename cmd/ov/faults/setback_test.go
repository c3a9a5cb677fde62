package faults

import (
	"fmt"
	"testing"
)

// A server that was restored from a backup that lacks commits, over both
// databases, with the real programs. Who has seen more says so and takes nothing;
// then docs/remote.md, "A server that was set back", to the letter.
func TestAttackServerSetBack(t *testing.T) {
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		t.Run(kind, func(t *testing.T) {
			dsn := func() string {
				if kind == "SQLite" {
					return ""
				}
				return suite.DSN(t)
			}
			w := newWorld(t)
			s := w.server("server", dsn())
			s.start()
			desk := w.home("desk")
			desk.must("", "vault", "init", "--server", s.url(), "--device", "desk", "--kit", w.path("kit"))
			desk.mustSet("TOKEN", "value-of-before")
			laptop, phone, tablet := desk.another("laptop"), desk.another("phone"), desk.another("tablet")
			for _, h := range []*home{laptop, phone, tablet} {
				h.must("", "vault", "join", "--server", s.url(), "--device", "other", "--kit", w.path("kit"))
			}
			carol, dave := desk.member("carol", s.url(), "read"), desk.member("dave", s.url(), "write")
			ci := desk.machine("ci")
			for _, h := range []*home{desk, laptop, phone, tablet, carol, dave, ci} {
				h.mustHold("TOKEN", "value-of-before")
			}
			s.run("backup", w.path("old"))
			desk.mustSet("TOKEN", "value-of-after")
			s.run("backup", w.path("new"))
			saw := []*home{desk, laptop, carol}
			for _, h := range saw { // phone and dave see nothing of it
				h.mustHold("TOKEN", "value-of-after")
			}

			// The old backup, in a new database.
			s.stop()
			back := w.server("back", dsn())
			setBack(t, s, back, "old")
			for _, h := range saw {
				h.fails("", 125, `the (store|server) is at commit \d+, .*: the store is older than what was seen before`, "run", "--app", "shop", "--env", "development", "--", "true")
			}
			for _, h := range []*home{desk, laptop} {
				h.fails("", 1, `hint: .*docs/remote\.md`, "sync")
				h.fails("never-stored", 1, `older than what was seen`, "secret", "set", "shop/development/NEW", "--stdin")
			}
			for _, h := range []*home{phone, dave, ci} { // what they have seen is not younger
				h.mustHold("TOKEN", "value-of-before")
			}

			// 1. The newest backup: that is all.
			back.stop()
			newest := w.server("newest", dsn())
			setBack(t, s, newest, "new")
			for _, h := range []*home{desk, laptop, phone, tablet, carol, dave, ci} {
				h.mustHold("TOKEN", "value-of-after")
			}

			// 2. None is newer: the device with the highest commit has the truth.
			desk.mustSet("MORE", "value-of-more")
			dave.mustSet("LAST", "value-of-last") // the newest commit is a member's
			desk.must("", "sync")
			laptop.must("", "sync")
			phone.must("", "sync") // the tablet is two behind
			newest.stop()
			old := w.server("old-again", dsn())
			setBack(t, s, old, "old")
			if a, b, c, d := desk.seq(), laptop.seq(), phone.seq(), tablet.seq(); a != b || c != a || d != a-2 {
				t.Errorf("vault verify says %d, %d, %d and %d", a, b, c, d)
			}
			old.run("remove", desk.id())
			desk.must("", "vault", "push", "--server", s.url())
			for _, h := range []*home{desk, laptop, phone, carol, dave, ci} {
				h.mustHold("LAST", "value-of-last")
			}
			laptop.mustSet("MORE", "value-of-later")
			desk.mustHold("MORE", "value-of-later")
			tablet.fails("", 1, `commit \d+, between the one that was seen and the newest, is not there`, "sync")
			tablet.must("", "vault", "destroy", "--yes")
			tablet.must("", "vault", "join", "--server", s.url(), "--device", "tablet", "--kit", w.path("kit"))
			for _, h := range []*home{phone, tablet, carol, dave, ci} {
				h.mustHold("MORE", "value-of-later")
			}
			for _, h := range []*home{desk, laptop, phone, tablet} {
				h.must("", "vault", "verify")
			}
			if !t.Failed() {
				fmt.Printf("attack 03, real programs, %s: a server set back by ov-server restore: 2 devices and a member that had seen more say so and take nothing; both ways back of docs/remote.md work for 4 devices, a member who reads, one who writes and a machine\n", kind)
			}
		})
	}
}

// setBack restores a backup into the database of to, which takes the place of s.
func setBack(t *testing.T, s, to *server, backup string) {
	t.Helper()
	to.address = s.address
	to.args = append(to.args, "--key", s.path(s.name+"/server.key")) // the key is kept apart
	to.run("restore", s.path(backup))
	to.start()
}

package faults

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

const run = "--app shop --env development"

// runs runs true with the secrets of shop/development.
func (h *home) runs() result {
	h.t.Helper()
	return h.ov("", append(append([]string{"run"}, strings.Fields(run)...), "--", "true")...)
}

// apart are clocks that are not each other's, by what is wrong with them.
var apart = map[string]time.Duration{"ten minutes on": 10 * time.Minute, "three minutes back": -3 * time.Minute, "a day back": -day, "ten years on": 10 * year}

// Two clocks that differ by more than two minutes: nothing passes, both times are
// said, nothing is stored; right again, all goes on. In between an agent stays
// unlocked and its nonces, tags and tokens hold.
func TestFaultClocksApart(t *testing.T) {
	w, c := newClocks(t)
	s := w.server("server", "")
	s.start()
	desk := w.home("desk")
	desk.must("", "vault", "init", "--server", s.url(), "--device", "desk", "--kit", w.path("kit"))
	desk.mustSet("TOKEN", "value-of-token")
	n := 0
	for what, d := range apart {
		for _, whose := range []string{"ov's", "the server's"} {
			n++
			if whose == "ov's" {
				c.set(t, d, 0)
			} else {
				c.set(t, 0, d)
			}
			for verb, r := range map[string]result{"sync": desk.ov("", "sync"), "run": desk.runs(), "set": desk.set("NEW", "never-stored")} {
				if r.code == 0 || !strings.Contains(r.stderr, "clocks differ: it is 20") || !strings.Contains(r.stderr, "hint: set the clock") {
					t.Errorf("%s clock %s, %s: %s", whose, what, verb, r)
				}
			}
			c.set(t, 0, 0)
			if r := desk.mustHold("TOKEN", "value-of-token"); r.stderr != "" {
				t.Errorf("%s clock was %s: %s", whose, what, r)
			}
		}
	}
	c.set(t, time.Minute, 0) // not enough to matter
	desk.mustSet("TOKEN", "value-of-a-minute")
	c.set(t, 10*year, 10*year) // both: nobody can tell
	desk.mustHold("TOKEN", "value-of-a-minute")
	c.set(t, 0, 0)
	desk.mustHold("TOKEN", "value-of-a-minute")
	if r := desk.ov("", "secret", "list", "--app", "shop", "--env", "development"); strings.Contains(r.stdout, "NEW") {
		t.Errorf("stored through clocks that differ: %s", r)
	}
	if !t.Failed() {
		fmt.Printf("fault clocks, real programs: ov's and ov-server's clock apart in %d ways: nothing read or stored, both times said; right again, all goes on\n", n)
	}
}

// A clock that jumps under an unlocked agent never makes keys live longer: back
// and far on locks it, a little on counts as time that passed.
func TestFaultClockOfTheAgent(t *testing.T) {
	w, c := newClocks(t)
	h := w.home("alice")
	h.must("", "vault", "init", "--kit", w.path("kit"))
	h.mustSet("TOKEN", "value-of-token")
	t.Cleanup(func() { h.ov("", "agent", "stop") })
	password := h.env[len(h.env)-1]
	steps := []struct {
		what   string
		clock  time.Duration
		locked bool
	}{
		{"right", 0, false},
		{"ten minutes on", 10 * time.Minute, false},
		{"thirty minutes on", 30 * time.Minute, true}, // twenty idle ones
		{"right", 0, false},
		{"a day back", -day, true},
		{"a day back", -day, false},
		{"right", 0, true},
		{"ten years on", 10 * year, true},
		{"ten years on", 10 * year, false},
		{"right", 0, true},
	}
	was := true
	for i, s := range steps {
		if was && !s.locked { // the one before locked it
			c.set(t, s.clock, 0)
			h.must("", "unlock")
		}
		c.set(t, s.clock, 0)
		h.env[len(h.env)-1] = "NOTHING="
		r := h.runs()
		h.env[len(h.env)-1] = password
		if (r.code != 0) != s.locked || s.locked && !strings.Contains(r.stderr, "locked") {
			t.Errorf("step %d, %s: want locked %v: %s", i, s.what, s.locked, r)
		}
		was = s.locked
	}
	c.set(t, 0, 0)
	if !t.Failed() {
		fmt.Printf("fault clocks, real programs: %d jumps under an unlocked ov-agent: back and far on lock it, no key lives longer\n", len(steps))
	}
}

// Times that are signed or sealed: a vault's never go back; a machine key and a
// member end on whichever clock is right; the audit log keeps what the clock
// showed and stays sound; old versions and ages do not run away.
func TestFaultClockOfTheVault(t *testing.T) {
	w, c := newClocks(t)
	h := w.home("alice")
	h.must("", "vault", "init", "--kit", w.path("kit"))
	for i := range 3 {
		h.mustSet("TOKEN", fmt.Sprint("value-", i))
	}
	c.set(t, 10*year, 0)
	h.mustSet("TOKEN", "value-of-ten-years-on")
	c.set(t, -day, 0)
	h.mustSet("TOKEN", "value-of-a-day-ago")
	c.set(t, 0, 0)
	h.mustSet("TOKEN", "value-of-today")
	h.mustHold("TOKEN", "value-of-today")
	var versions []struct {
		Version int
		Updated time.Time
	}
	r := h.must("", "secret", "history", "shop/development/TOKEN", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &versions); err != nil || len(versions) != 4 {
		t.Fatalf("%v: %s", err, r)
	}
	// Ten years on, what was replaced long ago went; what was replaced then did not.
	for i, want := range []time.Duration{0, -day, 10 * year, 0} {
		if off := time.Until(versions[i].Updated) - want; versions[i].Version != 6-i || off.Abs() > 10*time.Minute {
			t.Errorf("version %d is dated %s", versions[i].Version, versions[i].Updated)
		}
	}
	h.must("", "vault", "verify")
	h.must("", "audit", "verify")
	if r := h.must("", "audit", "exposed", "--since", "1h"); !strings.Contains(r.stdout, "TOKEN") {
		t.Errorf("exposed: %s", r)
	}
	if !t.Failed() {
		fmt.Println("fault clocks, real programs: a vault written ten years on, a day back and today: each version dated by the clock of its day, vault and audit log verify")
	}
}

// A machine key and a member with an end: the client refuses when its own clock
// says so, the server when its does; setting one of them back opens nothing.
func TestFaultClockAndExpiry(t *testing.T) {
	w, c := newClocks(t)
	s := w.server("server", "")
	s.start()
	h := w.home("alice")
	h.must("", "vault", "init", "--server", s.url(), "--device", "desk", "--kit", w.path("kit"))
	h.mustSet("TOKEN", "value-of-token")
	m := w.home("ci")
	h.must("", "auth", "derive-machine-key", "--app", "shop", "--env", "development", "--name", "ci", "--expires", "2d", "--out", m.dir+".key")
	m.env[len(m.env)-1] = "OV_MACHINE_KEY_FILE=" + m.dir + ".key"
	m.mustHold("TOKEN", "value-of-token")
	for _, e := range []struct {
		what           string
		client, server time.Duration
		says           string
	}{
		{"both three days on", 3 * day, 3 * day, "ended|expired|its time is over"},
		{"the machine's set back", 0, 3 * day, "clocks differ"},
		{"the machine's on alone", 3 * day, 0, "its time is over"},
		{"ten years on", 10 * year, 10 * year, "its time is over"},
	} {
		c.set(t, e.client, e.server)
		m.fails("", 125, e.says, "run", "--app", "shop", "--env", "development", "--", "true")
	}
	c.set(t, 0, 0)
	m.mustHold("TOKEN", "value-of-token") // right again, and its time is not over
	if !t.Failed() {
		fmt.Println("fault clocks, real programs: a machine key with an end: refused by whichever clock is past it; a clock set back opens nothing")
	}
}

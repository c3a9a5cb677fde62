package serve

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gokeyring "github.com/zalando/go-keyring"

	"github.com/opaquevault/ov/core/agent"
)

func locked(t *testing.T, c *agent.Client) bool {
	t.Helper()
	st, err := c.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st.Locked
}

func TestLockAndUnlock(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	if locked(t, c) {
		t.Fatal("locked right after init")
	}
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitLocked(t, c)
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); !errors.Is(err, agent.ErrLocked) || agent.Hint(err) == "" {
		t.Errorf("Grant when locked: %v, hint %q", err, agent.Hint(err))
	}
	if _, err := c.List(t.Context(), "default", "development", ""); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("List when locked: %v", err)
	}
	if got := r.log.events("vault_run"); !slices.Equal(got, []string{"default/development ACCESSED", "default/development ABANDONED"}) {
		t.Errorf("audit has %q", got)
	}
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID}); err == nil {
		t.Error("a grant from before the lock was completed")
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Errorf("Grant after unlock: %v", err)
	}
}

func waitLocked(t *testing.T, c *agent.Client) {
	t.Helper()
	for range 500 {
		if locked(t, c) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("not locked after 2.5 s")
}

func TestLeases(t *testing.T) {
	for name, tt := range map[string]struct {
		ttl    agent.TTLs
		steps  []time.Duration // each followed by a request
		locked bool
	}{
		"fresh":                  {agent.TTLs{}, nil, false},
		"idle, just within":      {agent.TTLs{}, []time.Duration{14 * time.Minute}, false},
		"idle, over":             {agent.TTLs{}, []time.Duration{15*time.Minute + time.Second}, true},
		"kept awake":             {agent.TTLs{}, []time.Duration{14 * time.Minute, 14 * time.Minute, 14 * time.Minute}, false},
		"own idle":               {agent.TTLs{Idle: time.Minute}, []time.Duration{61 * time.Second}, true},
		"hard, whatever is done": {agent.TTLs{Idle: time.Hour, Hard: 2 * time.Hour}, []time.Duration{50 * time.Minute, 50 * time.Minute, 21 * time.Minute}, true},
		"the machine slept":      {agent.TTLs{}, []time.Duration{100 * time.Hour}, true},
		"the clock was set back": {agent.TTLs{}, []time.Duration{-time.Hour}, true},
		"the clock moved a bit":  {agent.TTLs{}, []time.Duration{-time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &Server{c: Config{}}
			clock := &fakeClock{}
			base := time.Now()
			r.c.Now = func() time.Time { return base.Add(time.Duration(clock.offset.Load())) }
			r.setLease(tt.ttl)
			r.state.open = &opened{}
			defer func() { r.state.timer.Stop() }()
			got := false
			for _, d := range tt.steps {
				clock.advance(d)
				_, done, err := r.use()
				if err == nil {
					done()
				}
				got = err != nil
			}
			if got != tt.locked {
				t.Errorf("locked = %v, want %v", got, tt.locked)
			}
		})
	}
}

// The lease ends by itself, without a request that would notice.
func TestExpiryForgetsKeys(t *testing.T) {
	relocked := make(chan struct{})
	r := newRig(t, func(c *Config) { c.Relock = func() { close(relocked) } })
	r.init(t, "TOKEN")
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{Idle: time.Minute}); err != nil {
		t.Fatal(err)
	}
	r.clock.advance(2 * time.Minute)
	r.server.expire() // as its timer does, at the latest a minute later
	<-relocked
	if r.server.state.open != nil {
		t.Error("the vault is open after its lease")
	}
}

func TestOneShotKeepsTheLogOnly(t *testing.T) {
	r := newRig(t, func(c *Config) { c.OneShot = true })
	c := r.init(t, "TOKEN")
	g, err := c.Grant(t.Context(), runOf(dev("TOKEN")))
	if err != nil {
		t.Fatal(err)
	}
	r.clock.advance(oneShotIdle + time.Second)
	r.server.expire()
	if r.server.state.open != nil {
		t.Error("a one-shot agent keeps its keys while the command runs")
	}
	if err := c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Exit: 3}); err != nil {
		t.Errorf("completion after the keys are gone: %v", err)
	}
	r.server.late.Wait()
	if last := r.log.last(); last.Event != "COMPLETED" || *last.Exit != 3 {
		t.Errorf("completion is %+v", last)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("Grant after the keys are gone: %v", err)
	}
}

func TestFiveTries(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	wrong := filepath.Join(r.home, "wrong")
	if err := os.WriteFile(wrong, []byte("not the password\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	try := func(file string) error {
		c := r.client(t, func(o *agent.Options) { o.Password = agent.FromFile(file) }) // a new connection each time
		return c.Unlock(t.Context(), agent.TTLs{})
	}
	for i := range maxTries {
		if err := try(wrong); !errors.Is(err, agent.ErrPassword) {
			t.Fatalf("try %d: %v, want ErrPassword", i, err)
		}
	}
	if err := try(r.file); !errors.Is(err, agent.ErrPause) {
		t.Errorf("the right password during the pause: %v, want ErrPause", err)
	}
	// Another process of the same vault sees the same pause.
	if err := newTries(r.home, r.clock.now).check(); !errors.Is(err, agent.ErrPause) {
		t.Errorf("another agent: %v, want ErrPause", err)
	}
	r.clock.advance(firstWait + time.Second)
	if err := try(wrong); !errors.Is(err, agent.ErrPassword) {
		t.Fatalf("after the pause: %v", err)
	}
	r.clock.advance(firstWait + time.Second)
	if err := try(r.file); !errors.Is(err, agent.ErrPause) {
		t.Errorf("the second pause is not longer: %v", err)
	}
	r.clock.advance(firstWait)
	if err := try(r.file); err != nil {
		t.Errorf("the right password after the pause: %v", err)
	}
	if err := try(wrong); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("a wrong one after a right one: %v, want ErrPassword again", err)
	}
	if locked(t, r.client(t, noPassword)) {
		t.Error("a wrong password locked an open vault")
	}
}

func TestPasswordFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("Argon2id takes long under the race detector; the full run covers it")
	}
	r := newRig(t)
	r.init(t)
	for name, tt := range map[string]struct {
		content string
		want    error
	}{
		"as it is":       {testPassword, nil},
		"newline":        {testPassword + "\n", nil},
		"CRLF":           {testPassword + "\r\n", nil},
		"two newlines":   {testPassword + "\n\n", agent.ErrPassword},
		"space":          {testPassword + " ", agent.ErrPassword},
		"empty":          {"", agent.ErrPassword},
		"only a newline": {"\n", agent.ErrPassword},
		"too long":       {string(make([]byte, maxPassword+1)), agent.ErrUsage},
		"huge":           {string(make([]byte, 1<<20)), agent.ErrUsage},
	} {
		file := filepath.Join(r.home, "p")
		os.WriteFile(file, []byte(tt.content), 0o600)
		c := r.client(t, func(o *agent.Options) { o.Password = agent.FromFile(file) })
		if err := c.Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: Unlock = %v, want %v", name, err, tt.want)
		}
		r.server.tries.right()
	}
	for name, p := range map[string]agent.Password{
		"command": agent.FromCommand("printf '%s\\n' '"+testPassword+"'", nil),
		"env":     agent.FromEnv(testPassword),
	} {
		c := r.client(t, func(o *agent.Options) { o.Password = p })
		if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	stdin, _ := os.Open(r.file)
	defer stdin.Close()
	c := r.client(t, func(o *agent.Options) { o.Password = agent.FromStdin(stdin) })
	if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Errorf("stdin: %v", err)
	}
}

func TestRemember(t *testing.T) {
	gokeyring.MockInit()
	r := newRig(t)
	c := r.init(t, "TOKEN")
	remembered := r.client(t, func(o *agent.Options) { o.Password = agent.FromKeyring() })
	if err := remembered.Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("nothing is remembered: %v", err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{Remember: true}); err != nil {
		t.Fatal(err)
	}
	c.Lock(t.Context())
	waitLocked(t, c)
	for name, inside := range map[string]func(*agent.Options){"in its shell": func(o *agent.Options) { o.Agent = "claude-code" }, "as its client": mcp} {
		bot := r.client(t, func(o *agent.Options) { o.Password = agent.FromKeyring() }, inside)
		if err := bot.Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, agent.ErrDenied) || !locked(t, c) {
			t.Errorf("a coding agent, %s: %v", name, err)
		}
	}
	if err := remembered.Unlock(t.Context(), agent.TTLs{}); err != nil || locked(t, c) {
		t.Errorf("with the keyring: %v", err)
	}
	// It is no password given afresh.
	if err := remembered.Rotate(t.Context()); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("rotation with the keyring: %v", err)
	}
	if err := r.client(t).Passwd(t.Context(), agent.FromEnv("another password")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []error{agent.ErrPassword, agent.ErrLocked} { // the old one is forgotten at once
		if err := remembered.Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, want) {
			t.Errorf("after a change: %v, want %v", err, want)
		}
	}
	if err := remembered.Forget(t.Context()); err != nil {
		t.Error(err)
	}
}

// An agent whose home is gone, unlocked or not, ends by itself.
func TestHomeIsGone(t *testing.T) {
	for _, unlocked := range []bool{false, true} {
		r := newRig(t, func(c *Config) { c.Look = time.Millisecond })
		c := r.init(t, "TOKEN")
		if !unlocked {
			if err := c.Lock(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Millisecond)
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("it ended with its home there: %v", err)
		}
		if err := os.RemoveAll(r.home); err != nil {
			t.Fatal(err)
		}
		select {
		case <-r.done:
		case <-time.After(30 * time.Second):
			t.Fatal("it goes on without its home")
		}
	}
}

// Attack: the machine sleeps past the lease, and the vault is unlocked again
// before anybody has looked at the clock: what was approved is void all the same,
// also when the clock was set back.
func TestAttackApprovalOutlivesTheLease(t *testing.T) {
	for _, by := range []time.Duration{DefaultIdle + time.Minute, DefaultHard + time.Minute, -time.Hour} {
		r := prodRig(t)
		cli := r.client(t, noPassword)
		_, err := cli.Grant(t.Context(), runOf(prod("KEY")))
		if err := r.allows(t, agent.PendingID(err)); err != nil {
			t.Fatal(err)
		}
		r.wants(t, cli, runOf(prod("KEY")), nil)
		r.clock.advance(by)
		r.wants(t, cli, runOf(prod("KEY")), agent.ErrLocked)
		if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
			t.Fatal(err)
		}
		r.wants(t, r.client(t, noPassword), runOf(prod("KEY")), agent.ErrApproval)
	}
}

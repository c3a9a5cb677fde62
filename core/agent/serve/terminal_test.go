package serve

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// A person sits at one end of a pseudo-terminal: it reads what is shown and
// types answers to it.
type person struct {
	t      *testing.T
	master *os.File
	tty    *os.File
	mu     sync.Mutex
	screen bytes.Buffer
	read   int
}

func newPerson(t *testing.T) *person {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close(); tty.Close() })
	p := &person{t: t, master: master, tty: tty}
	go func() {
		buf := make([]byte, 1024)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.screen.Write(buf[:n])
			p.mu.Unlock()
		}
	}()
	return p
}

// sees waits for text that was not seen before.
func (p *person) sees(text string) {
	p.t.Helper()
	for range 1000 {
		p.mu.Lock()
		at := strings.Index(p.screen.String()[p.read:], text)
		if at >= 0 {
			p.read += at + len(text)
		}
		p.mu.Unlock()
		if at >= 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.t.Fatalf("waited for %q; the screen shows %q", text, p.shown())
}

func (p *person) types(text string) {
	p.t.Helper()
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

func (p *person) shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// settings returns the terminal's settings, to be compared.
func (p *person) settings() unix.Termios {
	p.t.Helper()
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), getTermios)
	if err != nil {
		p.t.Fatal(err)
	}
	return *s
}

// password lets a client ask on this terminal.
func (p *person) password() agent.Password {
	return agent.Password{Kind: agent.PasswordTTY, Open: func(context.Context) (*os.File, error) {
		fd, err := unix.FcntlInt(p.tty.Fd(), unix.F_DUPFD_CLOEXEC, 3)
		return os.NewFile(uintptr(fd), "tty"), err
	}}
}

// at returns a client whose passwords are typed by p.
func (r *rig) at(t *testing.T, p *person) *agent.Client {
	return r.client(t, func(o *agent.Options) { o.Password = p.password() })
}

// during runs f while the person acts, and returns its error.
func during(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func TestInitOnTerminal(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Strength = func(b []byte) float64 { return float64(len(b) * 3) } })
	p := newPerson(t)
	before := p.settings()
	c := r.at(t, p)
	done := during(func() error { return c.Init(t.Context(), agent.InitRequest{}) })
	p.sees("New master password: ")
	p.types("short\n")
	p.sees("at least 8 characters")
	p.sees("New master password: ")
	p.types("weak-password\n") // 39 bits
	p.sees("weak, about 2^39 guesses")
	p.sees("Use it all the same? [y/N] ")
	p.types("n\n")
	p.sees("New master password: ")
	p.types(testPassword + "\n")
	p.sees("about 2^84 guesses")
	p.sees("Once more: ")
	p.types("another one of the same length\n")
	p.sees("two different passwords")
	p.sees("New master password: ")
	p.types(testPassword + "\n")
	p.sees("Once more: ")
	p.types(testPassword + "\n")
	p.sees("Secret Key:  ")
	p.sees("Type the last group of the Secret Key: ")
	p.types("ABCDE\n")
	p.sees("that is not it")
	_, key, _ := strings.Cut(p.shown(), "Secret Key:  ")
	key, _, _ = strings.Cut(key, "\r\n")
	p.sees("last group of the Secret Key: ")
	p.types(strings.ToLower(key[strings.LastIndex(key, "-")+1:]) + "\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if strings.Contains(p.shown(), testPassword) || strings.Contains(p.shown(), "another one") {
		t.Error("a password was echoed")
	}
	if p.settings() != before {
		t.Error("the terminal is not as it was")
	}
}

func TestUnlockOnTerminal(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	p := newPerson(t)
	before := p.settings()
	p.types("typed ahead, not meant\n")
	c := r.at(t, p)
	done := during(func() error { return c.Unlock(t.Context(), agent.TTLs{}) })
	p.sees("Master password: ")
	p.types("wrong one\n")
	p.sees("wrong password (4 more)")
	p.sees("Master password: ")
	p.types(testPassword + "\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if p.settings() != before {
		t.Error("the terminal is not as it was")
	}

	done = during(func() error { return c.Unlock(t.Context(), agent.TTLs{}) })
	p.sees("Master password: ")
	p.types("\x04") // ^D
	if err := <-done; !errors.Is(err, agent.ErrPassword) {
		t.Errorf("^D: %v, want ErrPassword", err)
	}
	done = during(func() error { return c.Unlock(t.Context(), agent.TTLs{}) })
	for range maxTries {
		p.sees("Master password: ")
		p.types("wrong\n")
	}
	if err := <-done; !errors.Is(err, agent.ErrPassword) {
		t.Errorf("five wrong ones: %v, want ErrPassword", err)
	}
	if p.settings() != before {
		t.Error("the terminal is not as it was")
	}
}

// A client that is interrupted, or killed, while the agent asks: the terminal
// is given back.
func TestTerminalIsGivenBack(t *testing.T) {
	r := newRig(t)
	r.init(t)
	for name, end := range map[string]func(c *agent.Client, cancel func()){
		"interrupted": func(_ *agent.Client, cancel func()) { cancel() },
		"killed":      func(c *agent.Client, _ func()) { c.Close() },
	} {
		p := newPerson(t)
		before := p.settings()
		c := r.at(t, p)
		ctx, cancel := context.WithCancel(t.Context())
		done := during(func() error { return c.Unlock(ctx, agent.TTLs{}) })
		p.sees("Master password: ")
		if now := p.settings(); now.Lflag&unix.ECHO != 0 {
			t.Fatalf("%s: the terminal echoes while a password is typed", name)
		}
		end(c, cancel)
		if err := <-done; err == nil {
			t.Errorf("%s: Unlock worked", name)
		}
		for range 500 {
			if p.settings() == before {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if p.settings() != before {
			t.Errorf("%s: the terminal is not as it was", name)
		}
		cancel()
	}
}

func TestReveal(t *testing.T) {
	if name := (Actor{PID: os.Getpid()}).codingAgent(); name != "" {
		t.Skipf("a coding agent (%s) runs this test, and reveal refuses as it should; CI covers it", name)
	}
	r := newRig(t)
	r.init(t, "TOKEN")
	p := newPerson(t)
	c := r.client(t, noPassword)
	done := during(func() error { return c.Reveal(t.Context(), dev("TOKEN"), p.tty) })
	p.sees("Master password, to show default/development/TOKEN here: ")
	if got := r.log.events("vault_reveal"); len(got) != 0 {
		t.Errorf("on record before the password was given: %q", got)
	}
	p.types(testPassword + "\n")
	p.sees("value-of-TOKEN\r\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.log.events("vault_reveal"); len(got) != 1 || got[0] != "default/development ACCESSED" {
		t.Errorf("audit has %q", got)
	}

	r.log.breakWith(errors.New("disk full"))
	done = during(func() error { return c.Reveal(t.Context(), dev("TOKEN"), p.tty) })
	p.sees("Master password")
	p.types(testPassword + "\n")
	if err := <-done; !errors.Is(err, agent.ErrAudit) {
		t.Errorf("reveal without a record: %v, want ErrAudit", err)
	}
	if n := strings.Count(p.shown(), "value-of-TOKEN"); n != 1 {
		t.Errorf("the value was shown %d times", n)
	}
}

// An unlocked agent does not reveal; neither does a password from a file, a
// pipe that plays terminal, or a terminal inside a coding agent.
func TestRevealRefuses(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	file, err := os.Open(r.file)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := r.client(t).Reveal(t.Context(), dev("TOKEN"), file); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("reveal into a file: %v, want ErrDenied", err)
	}
	p := newPerson(t)
	c := r.client(t, func(o *agent.Options) { o.Agent = "claude-code" })
	if err := c.Reveal(t.Context(), dev("TOKEN"), p.tty); !errors.Is(err, agent.ErrDenied) || agent.Hint(err) == "" {
		t.Errorf("reveal inside a coding agent: %v, want ErrDenied and a hint", err)
	}
	if got := r.log.events("vault_reveal"); len(got) != 1 || got[0] != "default/development DENIED" {
		t.Errorf("audit has %q", got)
	}
	if strings.Contains(p.shown(), "value") {
		t.Errorf("the terminal shows %q", p.shown())
	}
}

func TestPrintable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for in, want := range map[string]string{
		"plain":                "plain\n",
		"two\nlines\tand tab":  "two\nlines\tand tab\n",
		"\x1b]0;title\x07\x7f": `\x1b]0;title\x07\x7f` + "\n",
		"nul\x00cr\r":          `nul\x00cr\x0d` + "\n",
		"größe":                "größe\n",
	} {
		out.Truncate(0)
		out.Seek(0, 0)
		if err := (terminal{out}).show(secret.New([]byte(in))); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(file); string(got) != want {
			t.Errorf("show(%q) wrote %q, want %q", in, got, want)
		}
	}
}

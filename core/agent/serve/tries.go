package serve

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/agent"
)

// How many wrong passwords are taken in a row, and how long the pause is that
// follows; it doubles with every further wrong one.
const (
	maxTries  = 5
	firstWait = 30 * time.Second
	maxWait   = 15 * time.Minute
)

// tries counts wrong passwords in a file, so that the count survives this
// process. It slows down somebody at the keyboard; who can read the vault's
// files guesses elsewhere anyway.
type tries struct {
	path string
	now  func() time.Time
}

type tryState struct {
	Wrong int       `json:"wrong"`
	Until time.Time `json:"until,omitzero"`
}

func newTries(home string, now func() time.Time) tries {
	return tries{filepath.Join(home, "run", "tries.json"), now}
}

// check reports ErrPause while no password is looked at.
func (t tries) check() error {
	s, unlock := t.load()
	defer unlock()
	left := s.Until.Sub(t.now())
	if left <= 0 || left > maxWait { // a clock that was set back does not lock anyone out
		return nil
	}
	return &agent.Error{Err: agent.ErrPause, Message: fmt.Sprintf("%v: wait %v", agent.ErrPause, left.Round(time.Second)),
		Advice: "the pause ends by itself"}
}

// wrong counts one and returns how many more are taken before a pause.
func (t tries) wrong() int {
	s, unlock := t.load()
	defer unlock()
	s.Wrong++
	if s.Wrong >= maxTries {
		s.Until = t.now().Add(min(firstWait<<min(s.Wrong-maxTries, 10), maxWait))
	}
	raw, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(t.path, raw, 0o600)
	}
	if err != nil {
		return 0 // what cannot be counted is not tried again
	}
	return max(0, maxTries-s.Wrong)
}

// right forgets the count.
func (t tries) right() {
	if _, err := os.Lstat(t.path); err == nil {
		_, unlock := t.load()
		defer unlock()
		os.Remove(t.path)
	}
}

// load reads the state and holds it against other agents until unlock.
func (t tries) load() (s tryState, unlock func()) {
	os.MkdirAll(filepath.Dir(t.path), 0o700)
	unlock = func() {}
	if lock, err := os.OpenFile(t.path+".lock", os.O_CREATE|os.O_RDWR, 0o600); err == nil {
		syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
		unlock = func() { lock.Close() }
	}
	if raw, err := os.ReadFile(t.path); err == nil {
		json.Unmarshal(raw, &s)
	}
	return s, unlock
}

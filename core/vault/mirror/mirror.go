// Package mirror keeps a copy of a vault's remote store beside it: writes go to
// the remote store first, reads come from the copy, and what is taken over is
// verified before it is. The remote one is believed nothing.
package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/blob"
)

// A Local is the store that the copy is in.
type Local interface {
	blob.Store
	// Replay applies c as Commit does and keeps the manifests of the commits
	// between c.Base and c.Seq as well; came says which of them put each record of
	// c, nil is the last one.
	Replay(ctx context.Context, c blob.Commit, between []blob.Head, came []uint64) error
}

// Options say when the remote store is asked.
type Options struct {
	// Offline tells an error of a remote store that cannot be reached from one
	// that answers what it must not; nil: every error is the second.
	Offline  func(error) bool
	Fresh    time.Duration // how long reads are served without asking; 0: 5 s
	Retry    time.Duration // how long it is left alone once it was not there; 0: 15 s
	Patience time.Duration // how long a read waits for its head; 0: 3 s
	Stamp    string        // a file whose time is that of the last contact; may be empty
	Now      func() time.Time
	// Held leaves the remote store alone until Release: a vault is unlocked from
	// the copy, since its requests cannot be signed before.
	Held bool
}

// A Store is a blob.Store over two others.
type Store struct {
	local  Local
	remote blob.Store
	o      Options

	pulling sync.Mutex // one pull at a time
	mu      sync.Mutex // over state and tried
	state   State
	tried   time.Time
	held    bool
}

// A State is what is known of the remote store.
type State struct {
	Online  bool      // it answered when it was asked last, and what it said was right
	Asked   bool      // it was asked at all
	Contact time.Time // of its last good answer; zero: never
	Behind  uint64    // commits that it has and the copy has not
	Problem error     // why not Online
}

// New returns the copy of remote that local is.
func New(local Local, remote blob.Store, o Options) *Store {
	for _, d := range []struct {
		is *time.Duration
		or time.Duration
	}{{&o.Fresh, 5 * time.Second}, {&o.Retry, 15 * time.Second}, {&o.Patience, 3 * time.Second}} {
		if *d.is == 0 {
			*d.is = d.or
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Offline == nil {
		o.Offline = func(error) bool { return false }
	}
	s := &Store{local: local, remote: remote, o: o, held: o.Held}
	s.state.Contact = Stamped(o.Stamp)
	return s
}

// Stamped returns the time of the last contact that the file at path tells.
func Stamped(path string) time.Time {
	info, err := os.Stat(path)
	if path == "" || err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Connect gives the copy its remote store, and releases it.
func (s *Store) Connect(remote blob.Store) {
	s.pulling.Lock()
	s.remote = remote
	s.pulling.Unlock()
	s.Release()
}

// Release lets the remote store be asked from now on.
func (s *Store) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
}

// State returns what is known of the remote store.
func (s *Store) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Head implements blob.Store. It asks the remote store now and then, and takes
// over what is new there; while that cannot be reached the copy's head is it.
func (s *Store) Head(ctx context.Context) (blob.Head, error) {
	if s.due() {
		if err := s.pull(ctx, s.o.Patience, s.due); err != nil && !s.o.Offline(err) {
			return blob.Head{}, err
		}
	}
	return s.local.Head(ctx)
}

// due reports whether it is time to ask again.
func (s *Store) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held {
		return false
	}
	wait := s.o.Fresh
	if s.state.Asked && !s.state.Online {
		if s.state.Problem != nil && !s.o.Offline(s.state.Problem) {
			return true // what was wrong is wrong until it is mended
		}
		wait = s.o.Retry
	}
	return s.past(wait)
}

// ready reports whether the remote store may be asked, and was not for so long.
func (s *Store) ready(wait time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.held && s.past(wait)
}

// past reports whether the last look is so long ago, or in the future, after a
// clock was set back. The caller holds mu.
func (s *Store) past(wait time.Duration) bool {
	since := s.o.Now().Sub(s.tried)
	return since < 0 || since >= wait
}

// Sync takes over what is new in the remote store, now. An error of a store
// that cannot be reached is one as well.
func (s *Store) Sync(ctx context.Context) error { return s.pull(ctx, 0, always) }

func always() bool { return true }

// Look asks the remote store now, unless it was asked a moment ago, and returns
// what is known of it then. It waits no longer than a read.
func (s *Store) Look(ctx context.Context) State {
	due := func() bool { return s.ready(momentAgo) }
	if due() {
		s.pull(ctx, s.o.Patience, due) // how it ended is in the state
	}
	return s.State()
}

// momentAgo is how old what is known may be when somebody asks how things stand.
const momentAgo = time.Second

// pull is one look at the remote store. patience bounds the wait for its head.
func (s *Store) pull(ctx context.Context, patience time.Duration, due func() bool) error {
	s.pulling.Lock()
	defer s.pulling.Unlock()
	if !due() { // another one was faster
		return nil
	}
	var behind uint64
	var err error
	for range pullTries {
		if behind, err = s.take(ctx, patience); !errors.Is(err, errMoved) {
			break
		}
	}
	s.note(behind, err)
	return err
}

// pullTries is how often a server may move on while it is read.
const pullTries = 5

// note remembers how a look ended.
func (s *Store) note(behind uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = s.o.Now()
	s.state.Asked, s.state.Online, s.state.Behind, s.state.Problem = true, err == nil, behind, err
	if err == nil {
		s.state.Contact = s.tried
		s.stamp()
	}
}

func (s *Store) stamp() { stamp(s.o.Stamp, s.tried) }

func stamp(path string, at time.Time) {
	if path == "" {
		return
	}
	if os.Chtimes(path, time.Time{}, at) == nil {
		return
	}
	if f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil { // it tells people something, no more
		f.Close()
	}
}

// Commit implements blob.Store: the remote store has c before the copy does.
func (s *Store) Commit(ctx context.Context, c blob.Commit) error {
	s.pulling.Lock()
	defer s.pulling.Unlock()
	err := s.remote.Commit(ctx, c)
	if errors.Is(err, blob.ErrConflict) {
		if head, herr := s.remote.Head(ctx); herr == nil && bytes.Equal(head.Manifest, c.Manifest) {
			err = nil // it is our own, whose answer was lost
		}
	}
	switch {
	case errors.Is(err, blob.ErrConflict):
		behind, perr := s.take(ctx, 0)
		if s.note(behind, perr); perr != nil {
			return perr
		}
		return err
	case err != nil:
		if s.o.Offline(err) {
			s.note(s.State().Behind, err)
		}
		return err
	}
	s.note(0, nil)
	if err = s.local.Commit(ctx, c); errors.Is(err, blob.ErrConflict) {
		_, err = s.take(ctx, 0) // the copy was behind, or another process brought it up to date
	}
	if err != nil {
		return fmt.Errorf("stored by the server, but not in the copy of it: %w", err)
	}
	return nil
}

// Changes implements blob.Store.
func (s *Store) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	return s.local.Changes(ctx, since)
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	return s.local.Get(ctx, keys)
}

// Manifest implements blob.Store.
func (s *Store) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	return s.local.Manifest(ctx, seq)
}

// Close implements blob.Store.
func (s *Store) Close() error {
	if s.remote == nil {
		return s.local.Close()
	}
	return errors.Join(s.remote.Close(), s.local.Close())
}

// lie says what a remote store claims that cannot be.
func lie(as error, format string, args ...any) error {
	return fmt.Errorf("sync: "+format+": %w", append(args, as)...)
}

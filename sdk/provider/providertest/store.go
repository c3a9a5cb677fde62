package providertest

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A Store is what a fake service holds: embed it, and the fake can do all that
// the suite asks for; what is left to write is the service's own protocol.
type Store struct {
	mu       sync.Mutex
	secrets  map[string]*Stored
	denied   map[string]bool
	throttle int
	after    time.Duration
	expired  bool
	reads    int
	clock    int64
}

// A Stored secret has versions that begin at 1.
type Stored struct {
	Path, Name string
	Value      []byte
	Version    int
	Changed    int64 // moves with every change; never twice the same
}

// Fill replaces everything, and gives what is there already a new version when
// its value is another.
func (s *Store) Fill(_ testing.TB, secrets []Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.secrets
	s.secrets, s.denied = map[string]*Stored{}, map[string]bool{}
	for _, n := range secrets {
		at := path.Join(n.Path, n.Name)
		if o := old[at]; o != nil && string(o.Value) == string(n.Value) {
			s.secrets[at] = o
			continue
		}
		s.clock++
		here := &Stored{Path: n.Path, Name: n.Name, Value: n.Value, Version: 1, Changed: s.clock}
		if o := old[at]; o != nil {
			here.Version = o.Version + 1
		}
		s.secrets[at] = here
	}
}

// Throttle makes Admit refuse the next n calls.
func (s *Store) Throttle(n int, retryAfter time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.throttle, s.after = n, retryAfter
}

// Deny makes Read refuse one secret.
func (s *Store) Deny(dir, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied[path.Join(dir, name)] = true
}

// Delete removes one secret.
func (s *Store) Delete(dir, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.secrets, path.Join(dir, name))
}

// Expire makes Admit refuse every call, until Renew.
func (s *Store) Expire(int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = true
}

// Renew makes credentials good again, as signing in does.
func (s *Store) Renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired = false
}

// Reads returns how many values were read.
func (s *Store) Reads() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// Admit answers a call that is throttled or whose credentials are not good, and
// reports whether it may go on. good is what the service makes of them.
func (s *Store) Admit(w http.ResponseWriter, good bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.throttle > 0:
		s.throttle--
		if s.after > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(s.after.Seconds())))
		}
		http.Error(w, `{"message":"slow down"}`, http.StatusTooManyRequests)
		return false
	case !good, s.expired:
		http.Error(w, `{"message":"not signed in"}`, http.StatusUnauthorized)
		return false
	}
	return true
}

// All returns everything, sorted, and counts as no read.
func (s *Store) All() []Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.secrets))
	for n := range s.secrets {
		names = append(names, n)
	}
	slices.Sort(names)
	out := make([]Stored, len(names))
	for i, n := range names {
		out[i] = *s.secrets[n]
	}
	return out
}

// Look returns the metadata of one secret without reading it.
func (s *Store) Look(at string) (Stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.secrets[at]
	if !ok {
		return Stored{}, false
	}
	out := *found
	out.Value = nil
	return out, true
}

// Read returns one secret; status is 200, 403 or 404.
func (s *Store) Read(at string) (found Stored, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch here := s.secrets[at]; {
	case here == nil:
		return Stored{}, http.StatusNotFound
	case s.denied[at]:
		return Stored{}, http.StatusForbidden
	default:
		s.reads++
		return *here, http.StatusOK
	}
}

// Package server is the HTTP side of a depot: it answers ov's requests about
// vaults that it cannot open. It holds no key of a vault and links no package
// that could use one; what it checks, it checks with public keys.
//
//	server.go   what a server is made of
//	routes.go   every route, and who may ask for it
//	auth.go     who sent a request; keys.go finds the public key, enrol.go counts guesses
//	once.go     what all replicas together take once
//	read.go     heads, changes, records
//	commit.go   commits; admit.go holds them against their manifest
//	member.go   commits of members; turn.go gives devices their turn
//	upload.go   parts of large commits
//	mail.go     requests of new devices; witness.go audit checkpoints
//	sealed.go   requests that came sealed
//	problem.go  what went wrong, as a client is told
//	limit.go    how often; watch.go metrics and the log
//	openapi.go  the description of it all
package server

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/channel"
)

// A Config is what a Server is made of.
type Config struct {
	Depot      depot.Depot
	Key        *channel.PrivateKey // opens sealed requests
	SealedOnly bool                // what is not sealed is refused: the listener has no TLS of its own
	Hosts      []string            // names that clients may know the server by; none: any
	Closed     bool                // no new vaults
	MaxVaults  int64               // 0: no limit
	Limits     depot.Limits        // of each vault
	Rate       float64             // requests a second of one key, on the average; 0: 100
	Burst      int                 // and at once; 0: 1000
	NoMetrics  bool                // /metrics is not served here; see Watch
	Log        *slog.Logger        // nil: none
	Now        func() time.Time    // nil: time.Now
	Version    string
}

// A Server answers requests. Several may share one depot.
type Server struct {
	c         Config
	nonces    channel.Nonces
	keys      keyring
	rates     *limiter // by key
	strangers *limiter // by address: what nobody known to a vault asks for
	newcomers *limiter // by address: devices that ask to be let in, again and again
	large     budget
	turns     turns // of devices before members
	watch     *watch
	page      []byte // the description, for people
	handler   http.Handler
	draining  atomic.Bool
}

// The rates of what no key answers for, by address.
const (
	strangerPerHour = 120
	strangerBurst   = 60
	newcomerRate    = 2 // a second: it waits for a person
	newcomerBurst   = 60
)

// New returns a server.
func New(c Config) (*Server, error) {
	if c.Depot == nil || c.Key == nil {
		return nil, errors.New("a server wants a depot and a key")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Rate, c.Burst = cmp.Or(c.Rate, 100), cmp.Or(c.Burst, 1000)
	s := &Server{
		c:         c,
		rates:     newLimiter(c.Rate, c.Burst, c.Now),
		strangers: newLimiter(strangerPerHour/3600.0, strangerBurst, c.Now),
		newcomers: newLimiter(newcomerRate, newcomerBurst, c.Now),
		watch:     newWatch(),
	}
	var err error
	if s.page, err = render(openapi); err != nil {
		return nil, err
	}
	s.handler = s.mux()
	return s, nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Drain makes /readyz fail, so that a load balancer looks elsewhere.
func (s *Server) Drain() { s.draining.Store(true) }

// knows reports whether host is one of the server's names.
func (s *Server) knows(host string) bool {
	return len(s.c.Hosts) == 0 || slices.Contains(s.c.Hosts, host)
}

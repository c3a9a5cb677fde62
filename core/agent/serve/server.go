// Package serve is the server of ov-agent: it holds the open vault, asks for
// passwords, passes every request for a value through the gate, writes the
// audit record before anything is decrypted, and forgets the keys in time.
package serve

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/serve/lockmem"
	"github.com/opaquevault/ov/core/agent/serve/page"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/blob"
)

// How long keys are kept when nobody says otherwise.
const (
	DefaultIdle = 15 * time.Minute
	DefaultHard = 8 * time.Hour
	// oneShotIdle is how long a one-shot agent keeps its keys after a request:
	// the command that it was started for may run for days.
	oneShotIdle = 10 * time.Second
)

// Limits of what clients may do.
const (
	maxClients  = 64  // connections
	maxInFlight = 32  // requests of one connection
	ratePerSec  = 500 // requests of all connections, sustained
	rateBurst   = 1000
	helloTime   = 10 * time.Second
	writeTime   = 30 * time.Second
)

// A Config says which vault is served and how.
type Config struct {
	Home  string // OV_HOME, absolute
	Build string // of this program, for people
	// Store names the store at path, which need not exist yet.
	Store func(path string) blob.Store
	// Salvage is Store for a file that may be damaged; nil: Store.
	Salvage  func(path string) blob.Store
	Audit    func(dir string, keys [][]byte) (Log, error) // nil: audit.Open
	Strength func(value []byte) float64                   // log2 of the guesses that a value takes; nil: not known
	OneShot  bool                                         // for one client on an inherited socket
	Relock   func()                                       // replaces this process once its keys are gone; nil: it stays
	Now      func() time.Time                             // nil: time.Now
	Around   func(Actor) string                           // the coding agent that a client works for; nil: looks for one
	Look     time.Duration                                // how often the home is looked for; 0: every minute
}

// A Server is one agent.
type Server struct {
	c     Config
	tries tries
	rate  *bucket
	gate  *gate
	ops   map[string]handler
	seats chan struct{} // one for each connection
	stop  context.CancelFunc
	ctx   context.Context

	pinMu    sync.Mutex // one PIN at a time
	fresh    sync.Mutex // one operation with a fresh password at a time
	freshMem lockmem.Arena
	mem      lockmem.Arena
	state    state
	issued   atomic.Int64   // grants in use
	late     sync.WaitGroup // completions that are being written

	desk    page.Desk
	pagesMu sync.Mutex
	pages   map[string]*page.Page // by id, until somebody has waited for them
	// admission is this machine's own request to be let in; pagesMu is over it.
	admission *admission
	asking    *asking // for an environment, likewise

	clientsMu sync.Mutex
	clients   map[*client]bool
}

// A Log is where every use of a secret is put on record before it happens.
type Log interface {
	Append(...audit.Record) error // all or none, durable when it returns
	Show(n int) ([]audit.Entry, error)
	Page(after uint64, n int, since time.Time) ([]audit.Entry, error)
	Grep(name string) ([]audit.Entry, error)
	Exposed(since time.Time, client string) ([]audit.Exposure, error)
	Names(refs []string) map[string]string // their HMACs -> refs
	Limits(rules []string) map[string]string
	Recent(since time.Time) ([]audit.Entry, error) // every one checked
	Verify() (audit.Report, error)
	Prune(audit.PruneOptions) (audit.Pruned, error)
	Close() error
}

func openLog(dir string, keys [][]byte) (Log, error) { return audit.Open(dir, keys) }

// New returns a Server that is locked.
func New(c Config) *Server {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Audit == nil {
		c.Audit = openLog
	}
	if c.Salvage == nil {
		c.Salvage = c.Store
	}
	s := &Server{
		c:       c,
		tries:   newTries(c.Home, c.Now),
		rate:    newBucket(ratePerSec, rateBurst),
		gate:    newGate(),
		seats:   make(chan struct{}, maxClients),
		clients: map[*client]bool{},
		pages:   map[string]*page.Page{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.ops = s.handlers()
	return s
}

// Serve takes connections from l until Stop, and returns when the last one has
// ended.
func (s *Server) Serve(l *net.UnixListener) error {
	defer context.AfterFunc(s.ctx, func() { l.Close() })()
	go s.lookForHome()
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		conn, err := l.AcceptUnix()
		if err != nil {
			if s.ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			time.Sleep(50 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		select {
		case s.seats <- struct{}{}:
		default:
			refuse(conn)
			continue
		}
		wg.Go(func() {
			defer func() { <-s.seats }()
			s.ServeConn(conn)
		})
	}
}

// lookForHome ends the agent when its home is gone: nobody will ask for what was
// in it.
func (s *Server) lookForHome() {
	tick := time.NewTicker(cmp.Or(s.c.Look, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		if _, err := os.Lstat(s.c.Home); errors.Is(err, fs.ErrNotExist) {
			s.forget(false)
			s.stop()
			return
		}
	}
}

// refuse tells a client that there is no room and hangs up.
func refuse(conn *net.UnixConn) {
	w := wire.NewConn(conn, wire.ServerLimits())
	w.WriteTime = time.Second
	f := &wire.Frame{Header: wire.Header{ID: 1}}
	agent.Encode(&agent.Error{Err: agent.ErrBusy, Message: "ov-agent serves too many clients"}, &f.Header)
	w.Write(f)
	w.Close()
}

// Stop ends Serve and every connection. Close follows it.
func (s *Server) Stop() { s.stop() }

// Close forgets the keys, after Serve or ServeConn has returned.
func (s *Server) Close() {
	s.stop()
	s.desk.Close()
	s.late.Wait()
	s.forget(false)
}

// storePath is where the vault's ciphertext is.
func (s *Server) storePath() string { return filepath.Join(s.c.Home, "vault.db") }

// hasStore reports whether the home holds a vault's ciphertext.
func (s *Server) hasStore() bool {
	info, err := os.Stat(s.storePath())
	return err == nil && info.Size() > 0
}

// emptyStore reports whether nothing was ever written to the store: a vault's
// making that was cut short, by a full disk for one, left it behind.
func (s *Server) emptyStore(ctx context.Context) bool {
	store := &place{Store: s.c.Store(s.storePath())}
	defer store.Close()
	_, err := store.Head(ctx)
	return errors.Is(err, blob.ErrEmpty)
}

// hasVault reports whether the home holds a vault, or what is left of one.
func (s *Server) hasVault() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, "device"))
	return err == nil || s.hasStore() || s.hasMember()
}

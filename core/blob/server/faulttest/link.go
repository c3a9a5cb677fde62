// Package faulttest is the network between a client and a server, or a server
// and its database, as it is on a bad day: a Link passes TCP connections on and
// delays, holds, cuts, half closes or swallows them, as a test says. What it
// does needs no privileges; partitions and loss of packets are done to network
// namespaces by the tests that are root.
package faulttest

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// A Way is one direction of a connection.
type Way int

// The ways.
const (
	Up   Way = iota // from the client to the server
	Down            // and back
)

// Weather is what happens to the bytes of every connection, and to new ones. The
// zero value is a good day.
type Weather struct {
	Delay   time.Duration // of each piece, each way
	Jitter  time.Duration // at most so much more
	Piece   int           // bytes passed on at once; 0: 64 KiB
	Hold    time.Duration // new connections wait for up to so long: they arrive in another order
	Stalled [2]bool       // a partition of that way: nothing passes until it is over, nobody is told
	Refuse  bool          // new connections are refused
	Cut     [2]float64    // the probability that a piece of that way is lost, and its connection with it
	Half    float64       // the probability that a connection is closed on the client's side alone, after a piece of the answer
}

// Partition stalls both ways.
func Partition() Weather { return Weather{Stalled: [2]bool{true, true}} }

// A Link is a TCP proxy on loopback.
type Link struct {
	network, to string
	listener    net.Listener

	mu      sync.Mutex
	changed *sync.Cond
	weather Weather
	random  *rand.Rand
	conns   map[*pair]bool
	closed  bool
	stats   Stats
}

// Stats are what a link has done.
type Stats struct{ Connections, Pieces, Cuts, Halves, Refused int }

// A pair is one connection through the link.
type pair struct {
	client, server net.Conn
	frozen         bool // nothing passes any more, and nobody is told
	gone           bool
}

// NewLink returns a link to an address, "127.0.0.1:80" or "/path/of/a/socket",
// which ends with the test. The same seed makes the same choices, in the order
// in which pieces arrive.
func NewLink(t testing.TB, to string, seed uint64) *Link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{network: "tcp", to: to, listener: listener, random: rand.New(rand.NewPCG(seed, 0)), conns: map[*pair]bool{}}
	if to[0] == '/' {
		l.network = "unix"
	}
	l.changed = sync.NewCond(&l.mu)
	t.Cleanup(l.close)
	go l.accept()
	return l
}

// Addr is where clients connect.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// URL is Addr for a client of HTTP.
func (l *Link) URL() string { return "http://" + l.Addr() }

// Set changes the weather, for open connections too.
func (l *Link) Set(w Weather) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.weather = w
	l.changed.Broadcast()
}

// Break ends every open connection with a reset, on both sides.
func (l *Link) Break() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.conns {
		l.stats.Cuts++
		l.drop(p)
	}
}

// Freeze makes every open connection pass nothing any more, for ever, as when a
// box on the way forgot about it; new ones are not touched.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.conns {
		p.frozen = true
	}
}

// Stats returns what the link has done so far.
func (l *Link) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stats
}

func (l *Link) close() {
	l.listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for p := range l.conns {
		l.drop(p)
	}
	l.changed.Broadcast()
}

// drop ends a connection with a reset. The caller holds mu.
func (l *Link) drop(p *pair) {
	for _, c := range []net.Conn{p.client, p.server} {
		if tcp, ok := c.(*net.TCPConn); ok && !p.gone {
			tcp.SetLinger(0)
		}
	}
	l.hangUp(p)
}

// hangUp ends a connection. The caller holds mu.
func (l *Link) hangUp(p *pair) {
	if p.gone {
		return
	}
	p.gone = true
	delete(l.conns, p)
	p.client.Close()
	p.server.Close()
	l.changed.Broadcast()
}

func (l *Link) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		go l.serve(client)
	}
}

// serve brings a connection to the server, when the weather lets it.
func (l *Link) serve(client net.Conn) {
	l.mu.Lock()
	l.stats.Connections++
	for l.weather.Stalled[Up] && !l.closed {
		l.changed.Wait()
	}
	refuse, wait := l.weather.Refuse, l.upTo(l.weather.Hold)
	if refuse {
		l.stats.Refused++
	}
	l.mu.Unlock()
	time.Sleep(wait)
	p := &pair{client: client}
	var err error
	if !refuse {
		p.server, err = net.Dial(l.network, l.to)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if refuse || err != nil || l.closed {
		if p.server == nil {
			p.server = client
		}
		l.drop(p)
		return
	}
	l.conns[p] = true
	go l.pass(p, Up)
	go l.pass(p, Down)
}

func (l *Link) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(l.random.Int64N(int64(d)))
}

// pass copies one way of a connection, piece by piece.
func (l *Link) pass(p *pair, w Way) {
	from, to := p.client, p.server
	if w == Down {
		from, to = to, from
	}
	buf := make([]byte, 64<<10)
	for {
		n, rerr := from.Read(buf[:l.piece(len(buf))])
		if n > 0 {
			wait, ok := l.mayPass(p, w)
			if !ok {
				return
			}
			time.Sleep(wait)
			if _, err := to.Write(buf[:n]); err != nil {
				rerr = err
			}
		}
		if rerr != nil {
			l.end(p, w, to)
			return
		}
	}
}

func (l *Link) piece(most int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := l.weather.Piece; n > 0 {
		return min(n, most)
	}
	return most
}

// mayPass waits until a piece may pass, and says after how long it arrives. It is
// false when the connection ended meanwhile.
func (l *Link) mayPass(p *pair, w Way) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for (l.weather.Stalled[w] || p.frozen) && !p.gone && !l.closed {
		l.changed.Wait()
	}
	if p.gone || l.closed {
		return 0, false
	}
	l.stats.Pieces++
	if l.random.Float64() < l.weather.Cut[w] {
		l.stats.Cuts++
		l.drop(p)
		return 0, false
	}
	if w == Down && l.random.Float64() < l.weather.Half {
		l.stats.Halves++
		if tcp, ok := p.client.(*net.TCPConn); ok {
			tcp.CloseWrite() // the client hears the end, and may go on talking
		}
		return 0, false
	}
	return l.weather.Delay + l.upTo(l.weather.Jitter), true
}

// end passes the end of one way on, and ends the connection with the second one.
func (l *Link) end(p *pair, w Way, to net.Conn) {
	if _, ok := l.mayPass(p, w); !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	half, ok := to.(interface{ CloseWrite() error })
	if !ok || w == Down || half.CloseWrite() != nil {
		l.hangUp(p)
	}
}

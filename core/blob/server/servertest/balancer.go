package servertest

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// A Balancer passes each TCP connection on to the next of its backends; one that
// does not answer is passed over.
type Balancer struct {
	net.Listener
	mu       sync.Mutex
	backends []string
	next     int
	busy     map[string]int
}

// NewBalancer listens on loopback until the test ends.
func NewBalancer(t testing.TB) *Balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &Balancer{Listener: l, busy: map[string]int{}}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go b.serve(in)
		}
	}()
	return b
}

// Add has connections go to backend, HOST:PORT, as well.
func (b *Balancer) Add(backend string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = append(b.backends, backend)
}

// Remove has no more connections go to backend.
func (b *Balancer) Remove(backend string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = slices.DeleteFunc(b.backends, func(s string) bool { return s == backend })
}

// Busy returns how many connections to backend are open.
func (b *Balancer) Busy(backend string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.busy[backend]
}

func (b *Balancer) count(backend string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy[backend] += n
}

// order is the backends in the order in which they are tried now.
func (b *Balancer) order() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.backends) == 0 {
		return nil
	}
	b.next = (b.next + 1) % len(b.backends)
	return append(slices.Clone(b.backends[b.next:]), b.backends[:b.next]...)
}

func (b *Balancer) serve(in net.Conn) {
	defer in.Close()
	for _, addr := range b.order() {
		out, err := net.Dial("tcp", addr)
		if err != nil {
			continue
		}
		defer out.Close()
		b.count(addr, 1)
		defer b.count(addr, -1)
		go func() {
			_, _ = io.Copy(out, in)
			out.Close()
		}()
		_, _ = io.Copy(in, out)
		return
	}
}

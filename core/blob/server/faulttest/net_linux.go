package faulttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Net is a network of namespaces, in which real programs run. Every packet
// between two of them goes through the test, which loses, delays and reorders it:
// a kernel without netem needs nothing but tun devices for that.
type Net struct {
	prefix string
	nodes  []*node

	mu     sync.Mutex
	random *rand.Rand
	lines  map[[2]int]Line
	passed int
	lost   int
}

// A node is one namespace.
type node struct {
	name string // of the namespace
	ip   netip.Addr
	tun  *os.File
}

// A Line is what happens to packets from one node to another.
type Line struct {
	Delay  time.Duration
	Jitter time.Duration // at most so much more: packets overtake each other
	Loss   float64       // the probability that one is lost
	Cut    bool          // all are
}

// NewNet makes a network of named nodes, which ends with the test. It takes root,
// tun devices and the program ip: where they are missing that is said, and the
// test is skipped.
func NewNet(t testing.TB, seed uint64, names ...string) *Net {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces: only root makes them")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skipf("network namespaces: %v", err)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("network namespaces: %v", err)
	}
	n := &Net{prefix: fmt.Sprintf("ovf%d-", os.Getpid()), random: rand.New(rand.NewPCG(seed, 2)), lines: map[[2]int]Line{}}
	for i, name := range names {
		ip := netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)})
		one := &node{name: n.prefix + name, ip: ip}
		n.nodes = append(n.nodes, one)
		if err := one.make(); err != nil {
			one.remove()
			cannot(t, err)
		}
		t.Cleanup(one.remove)
	}
	for i := range n.nodes {
		go n.carry(i)
	}
	return n
}

// cannot skips a test on a machine that has no namespaces; CI's has them.
func cannot(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("network namespaces: %v", err)
	}
	t.Skipf("network namespaces: %v", err)
}

// make makes the namespace with its device.
func (o *node) make() error {
	if err := run("ip", "netns", "add", o.name); err != nil {
		return err
	}
	err := o.inside(func() (err error) {
		o.tun, err = openTun("ov0")
		return err
	})
	if err != nil {
		return err
	}
	for _, line := range []string{"link set lo up", "addr add " + o.ip.String() + "/24 dev ov0", "link set ov0 up"} {
		if err := run("ip", append([]string{"-n", o.name}, strings.Fields(line)...)...); err != nil {
			return err
		}
	}
	return nil
}

func (o *node) remove() {
	if o.tun != nil {
		o.tun.Close()
	}
	_ = run("ip", "netns", "del", o.name) // it may never have been there
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// inside runs f on a thread that is in the namespace meanwhile. The thread comes
// back: were it to end, so would the processes that it started and that are to die
// with their parent, PostgreSQL among them.
func (o *node) inside(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			result <- err
			return
		}
		defer unix.Close(home)
		if err = enter("/run/netns/" + o.name); err == nil {
			err = f()
		}
		if back := unix.Setns(home, unix.CLONE_NEWNET); back == nil {
			runtime.UnlockOSThread() // else the thread must not be used again
		} else {
			err = errors.Join(err, back)
		}
		result <- err
	}()
	return <-result
}

// enter brings the thread into a namespace.
func enter(path string) error {
	ns, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return errors.Join(unix.Setns(ns, unix.CLONE_NEWNET), unix.Close(ns))
}

// openTun opens a new tun device of the thread's namespace.
func openTun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make tun device: %w", err)
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// carry passes on what a node sends.
func (n *Net) carry(from int) {
	buf := make([]byte, 64<<10)
	for {
		size, err := n.nodes[from].tun.Read(buf)
		if err != nil {
			return // closed
		}
		if size < 20 || buf[0]>>4 != 4 {
			continue // not IPv4: the kernel asks about IPv6 neighbours
		}
		to := int(buf[19]) - 1
		if [3]byte(buf[16:19]) != [3]byte{10, 77, 0} || to < 0 || to >= len(n.nodes) {
			continue
		}
		wait, ok := n.passes(from, to)
		if !ok {
			continue
		}
		packet := append([]byte(nil), buf[:size]...)
		send := func() { _, _ = n.nodes[to].tun.Write(packet) } // a full queue loses packets, as everywhere
		if wait == 0 {
			send()
		} else {
			time.AfterFunc(wait, send)
		}
	}
}

// passes decides about one packet.
func (n *Net) passes(from, to int) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.lines[[2]int{from, to}]
	if l.Cut || n.random.Float64() < l.Loss {
		n.lost++
		return 0, false
	}
	n.passed++
	if l.Jitter > 0 {
		l.Delay += time.Duration(n.random.Int64N(int64(l.Jitter)))
	}
	return l.Delay, true
}

func (n *Net) index(name string) int {
	for i, o := range n.nodes {
		if o.name == n.prefix+name {
			return i
		}
	}
	panic("faulttest: no node " + name)
}

// Way sets what happens to packets from one node to another; the way back is
// another one.
func (n *Net) Way(from, to string, l Line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines[[2]int{n.index(from), n.index(to)}] = l
}

// Between sets both ways.
func (n *Net) Between(a, b string, l Line) {
	n.Way(a, b, l)
	n.Way(b, a, l)
}

// All sets every way.
func (n *Net) All(l Line) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range n.nodes {
		for j := range n.nodes {
			n.lines[[2]int{i, j}] = l
		}
	}
}

// Packets returns how many packets were passed on, and how many lost.
func (n *Net) Packets() (passed, lost int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.passed, n.lost
}

// Enter is what a command line begins with that is to run on a node.
func (n *Net) Enter(name string) []string {
	return []string{"ip", "netns", "exec", n.nodes[n.index(name)].name}
}

// IP is a node's address.
func (n *Net) IP(name string) string { return n.nodes[n.index(name)].ip.String() }

// Listen listens on a port of a node.
func (n *Net) Listen(name string, port int) (l net.Listener, err error) {
	o := n.nodes[n.index(name)]
	err = o.inside(func() (err error) {
		l, err = net.Listen("tcp4", netip.AddrPortFrom(o.ip, uint16(port)).String())
		return err
	})
	return l, err
}

// Dial connects from a node.
func (n *Net) Dial(name, address string, within time.Duration) (c net.Conn, err error) {
	err = n.nodes[n.index(name)].inside(func() (err error) {
		c, err = (&net.Dialer{Timeout: within}).Dial("tcp4", address)
		return err
	})
	return c, err
}

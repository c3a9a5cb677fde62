package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// A raw client says what it likes.
type raw struct {
	t    testing.TB
	sock *net.UnixConn
}

func (r *rig) raw(t testing.TB) *raw {
	t.Helper()
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: agent.SocketPaths(r.home)[0], Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sock.Close() })
	return &raw{t, sock}
}

func frame(header, body string) []byte {
	out := []byte{'o', 'v', 0, 1}
	out = binary.BigEndian.AppendUint32(out, uint32(len(header)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return append(append(out, header...), body...)
}

func (c *raw) hello(home string) {
	c.t.Helper()
	c.send(frame(fmt.Sprintf(`{"id":1,"op":"hello","args":{"protocol":1,"home":%q,"client":"cli"}}`, home), ""))
	if h := c.answer(); h.Code != "" {
		c.t.Fatalf("hello: %+v", h)
	}
}

func (c *raw) send(b []byte) {
	if _, err := c.sock.Write(b); err != nil {
		c.t.Helper()
		c.t.Fatal(err)
	}
}

func (c *raw) answer() wire.Header {
	c.t.Helper()
	c.sock.SetReadDeadline(time.Now().Add(20 * time.Second))
	f, err := wire.NewConn(c.sock, wire.ClientLimits()).Read()
	if err != nil {
		c.t.Fatal(err)
	}
	return f.Header
}

// ended reports whether the agent hangs up.
func (c *raw) ended() bool {
	c.sock.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, err := io.Copy(io.Discard, c.sock)
	return err == nil || strings.Contains(err.Error(), "reset")
}

func TestAttack25HelloComesFirst(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	for name, first := range map[string]string{
		"no hello":     `{"id":1,"op":"status"}`,
		"grant first":  `{"id":1,"op":"grant","args":{"kind":"mask"}}`,
		"other home":   `{"id":1,"op":"hello","args":{"protocol":1,"home":"/elsewhere"}}`,
		"not a hello":  `{"id":1,"op":"hello","args":[]}`,
		"hello of old": `{"id":1,"op":"hello"}`,
	} {
		c := r.raw(t)
		c.send(frame(first, ""))
		if h := c.answer(); h.Code != "usage" {
			t.Errorf("%s: answered %+v", name, h)
		}
		if !c.ended() {
			t.Errorf("%s: the agent goes on", name)
		}
	}
	c := r.raw(t)
	c.send([]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	if !c.ended() {
		t.Error("the agent talks to a browser")
	}
}

// Clients that send half of something, or nothing, or never read, do not keep
// others from being served.
func TestAttack25SlowClients(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	for i := range maxClients - 4 {
		slow := r.raw(t)
		switch i % 3 {
		case 1:
			slow.send(frame(`{"id":1}`, "")[:7])
		case 2:
			slow.hello(r.home)
			slow.send(frame(`{"id":2,"op":"list","args":{"app":"default","environment":"development"}}`, "")[:20])
		}
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Errorf("beside slow clients: %v", err)
	}
	// Over the limit a client is told so, and the rest goes on.
	var busy int
	for range 12 {
		extra := r.raw(t)
		extra.sock.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if f, err := wire.NewConn(extra.sock, wire.ClientLimits()).Read(); err == nil && f.Code == "busy" {
			busy++
		}
	}
	if busy == 0 {
		t.Error("no limit on connections")
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Errorf("beside too many clients: %v", err)
	}
}

func TestAttack25TooManyRequests(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN")
	c := r.raw(t)
	c.hello(r.home)
	reader, writer, err := os.Pipe() // a password that never comes
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	defer reader.Close()
	w := wire.NewConn(c.sock, wire.ClientLimits())
	const extra = 8
	for i := range maxInFlight + extra {
		args, _ := json.Marshal(wire.PasswordArgs{Password: "file"})
		if err := w.Write(&wire.Frame{Header: wire.Header{ID: uint64(i + 2), Op: wire.OpUnlock, Args: args}, Files: []*os.File{reader}}); err != nil {
			t.Fatal(err)
		}
	}
	for range extra {
		if h := c.answer(); h.Code != "busy" {
			t.Fatalf("answered %+v, want busy", h)
		}
	}
	// The same id twice is refused, not mixed up.
	c2 := r.raw(t)
	c2.hello(r.home)
	w2 := wire.NewConn(c2.sock, wire.ClientLimits())
	args, _ := json.Marshal(wire.PasswordArgs{Password: "file"})
	for range 2 {
		if err := w2.Write(&wire.Frame{Header: wire.Header{ID: 9, Op: wire.OpUnlock, Args: args}, Files: []*os.File{reader}}); err != nil {
			t.Fatal(err)
		}
	}
	if h := c2.answer(); h.Code != "usage" || h.ID != 9 {
		t.Errorf("the same id twice: %+v", h)
	}
	if _, err := r.client(t, noPassword).Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Errorf("beside a greedy client: %v", err)
	}
}

// Attack 25: a client of the same user that sends anything at all gets no value
// but those of its grants, and the agent lives on.
func TestAttack25FuzzedRequests(t *testing.T) {
	r := newRig(t)
	r.init(t, "TOKEN", "OTHER")
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(g)))
			for range 60 {
				fuzzClient(t, r, rng)
			}
		})
	}
	wg.Wait()
	c := r.client(t, noPassword)
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("FRESH"), Value: secret.New([]byte("value-of-FRESH"))}); err != nil {
		t.Errorf("after the fuzzing: %v", err)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("FRESH"))); err != nil { // the others may have been deleted: anybody may do that here
		t.Errorf("after the fuzzing: %v", err)
	}
}

// fuzzClient sends requests with every op but those that end the agent or give
// values for a grant, and looks for values in whatever comes back.
func fuzzClient(t *testing.T, r *rig, rng *rand.Rand) {
	sock, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: agent.SocketPaths(r.home)[0], Net: "unix"})
	if err != nil {
		t.Error(err)
		return
	}
	defer sock.Close()
	sock.Write(frame(fmt.Sprintf(`{"id":1,"op":"hello","args":{"home":%q}}`, r.home), ""))
	null, _ := os.Open(os.DevNull)
	defer null.Close()
	for range 12 {
		header, body := fuzzRequest(rng)
		out := frame(header, body)
		if rng.IntN(6) == 0 { // broken bytes
			for range 1 + rng.IntN(4) {
				out[rng.IntN(len(out))] ^= byte(1 << rng.IntN(8))
			}
		}
		if rng.IntN(4) == 0 {
			sock.WriteMsgUnix(out, syscall.UnixRights(int(null.Fd())), nil)
		} else {
			sock.Write(out)
		}
	}
	sock.CloseWrite()
	sock.SetReadDeadline(time.Now().Add(30 * time.Second))
	got, _ := io.ReadAll(sock)
	if bytes.Contains(got, []byte("value-of-")) {
		t.Errorf("a value came back: %.300q", got)
	}
}

func fuzzRequest(rng *rand.Rand) (header, body string) {
	ops := []string{"hello", "cancel", "status", "init", "unlock", "list", "info", "spaces", "verify", "audit_show",
		"audit_verify", "complete", "reveal", "put", "delete", "export", "", "open", "keys", strings.Repeat("x", 300)}
	argsOf := []string{`null`, `{}`, `[]`, `0`, `"x"`, `{"app":"default","environment":"development"}`,
		`{"app":"default","environment":"development","prefix":"T"}`, `{"App":"default","Env":"development","Name":"TOKEN"}`,
		`{"App":"../..","Env":"","Name":"\u0000"}`, `{"password":"tty","args":{"App":"default","Env":"development","Name":"TOKEN"}}`,
		`{"password":"file"}`, `{"password":"nothing"}`, `{"grant":"00","exit":1e99}`, `{"kind":"export"}`, `{"limit":-1}`,
		`{"ref":{"App":"default","Env":"development","Name":"OTHER"},"mode":"create"}`, strings.Repeat(`[`, 2000)}
	sizes := []string{``, `,"sizes":[3]`, `,"sizes":[1,2]`, `,"sizes":[0,3,0]`, `,"sizes":[99]`}
	n := rng.IntN(len(sizes))
	if n > 0 {
		body = "abc"
	}
	return fmt.Sprintf(`{"id":%d,"op":%q,"args":%s%s}`, rng.IntN(5), ops[rng.IntN(len(ops))], argsOf[rng.IntN(len(argsOf))], sizes[n]), body
}

// FuzzServe lets the fuzzer write a whole conversation.
func FuzzServe(f *testing.F) {
	f.Add([]byte(`{"id":1,"op":"status"}`))
	f.Add([]byte(`{"id":1,"op":"grant","args":{"kind":"run","executable":"/x","argv":["x"],"dir":"/"}}`))
	f.Add([]byte(`{"id":1,"op":"unlock","args":{"password":"file"}}`))
	home := f.TempDir()
	f.Fuzz(func(t *testing.T, header []byte) {
		s := New(Config{Home: home, Build: "fuzz"})
		defer s.Close()
		a, b := socketPair(t)
		done := make(chan struct{})
		go func() { defer close(done); s.ServeConn(a) }()
		b.Write(frame(fmt.Sprintf(`{"id":1,"op":"hello","args":{"home":%q}}`, home), ""))
		b.Write(frame(string(header), ""))
		b.CloseWrite()
		io.Copy(io.Discard, b)
		b.Close()
		<-done
	})
}

func socketPair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// A bug in one request costs that request, and its words stay in the agent.
func TestPanicIsContained(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	r.server.ops["boom"] = func(_ context.Context, _ *client, _ *wire.Frame) (answer, error) { panic("value-of-TOKEN") }
	raw := r.raw(t)
	raw.hello(r.home)
	raw.send(frame(`{"id":2,"op":"boom"}`, ""))
	if h := raw.answer(); h.Code != "internal" || strings.Contains(h.Message, "value") {
		t.Errorf("answered %+v", h)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("TOKEN"))); err != nil {
		t.Error(err)
	}
}

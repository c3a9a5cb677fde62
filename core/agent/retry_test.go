package agent

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// replacing is an agent whose first connection ends, like that of one that locks
// itself by replacing its process, once it has read a request. The next
// connections are answered.
type replacing struct {
	mu   sync.Mutex
	seen []string // requests that it read, and by which connection
}

func (r *replacing) listen(t *testing.T, home string) {
	t.Helper()
	path := SocketPaths(home)[0]
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for n := 0; ; n++ {
			sock, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(sock.(*net.UnixConn), n == 0)
		}
	}()
}

func (r *replacing) serve(sock *net.UnixConn, first bool) {
	who := "new "
	if first {
		who = "old "
	}
	answer(sock, func(f *wire.Frame) wire.Header {
		if f.Op == wire.OpHello {
			return hello(wire.Version)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, who+f.Op)
		if first {
			sock.Close()
		}
		return wire.Header{Args: []byte("null")}
	})
}

// TestReplacedAgent: a request that meets an agent which is replacing itself is
// sent again to the new one; but for those that might then happen twice.
func TestReplacedAgent(t *testing.T) {
	put := func(ctx context.Context, c *Client) error {
		_, err := c.Put(ctx, PutRequest{Ref: secret.Ref{App: "a", Env: "e", Name: "N"}, Value: secret.New([]byte("a value"))})
		return err
	}
	list := func(ctx context.Context, c *Client) error { _, err := c.List(ctx, "a", "e", ""); return err }
	status := func(ctx context.Context, c *Client) error { _, err := c.Status(ctx); return err }
	for _, tt := range []struct {
		name   string
		atOnce bool
		do     func(context.Context, *Client) error
		want   error
		seen   string
	}{
		{"list, no answer", false, list, nil, "old list,new list"},
		{"status, no answer", false, status, nil, "old status,new status"},
		{"put, no answer", false, put, ErrUnavailable, "old put"},
		{"put, not sent", true, put, nil, "new put"},
		{"list, not sent", true, list, nil, "new list"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			home := shortDir(t)
			if err := os.WriteFile(filepath.Join(home, "device"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r := &replacing{}
			r.listen(t, home)
			c, err := Connect(t.Context(), Options{Home: home})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if tt.atOnce {
				// The connection is there, and the client does not know yet that nobody reads it.
				s, err := c.running(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.conn.Socket().CloseWrite()
			}
			err = tt.do(t.Context(), c)
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if got := strings.Join(r.seen, ","); got != tt.seen {
				t.Errorf("the agent saw %q, want %q", got, tt.seen)
			}
		})
	}
}

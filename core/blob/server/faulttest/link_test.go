package faulttest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// echo answers every connection with what it says.
func echo(t *testing.T, network, address string) string {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T, l *Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// says sends text and returns what comes back, in at most the time given.
func says(c net.Conn, text string, within time.Duration) (string, error) {
	if _, err := c.Write([]byte(text)); err != nil {
		return "", err
	}
	c.SetReadDeadline(time.Now().Add(within))
	buf := make([]byte, len(text))
	n, err := io.ReadFull(c, buf)
	return string(buf[:n]), err
}

const soon, never = 30 * time.Second, 100 * time.Millisecond

// On a good day every byte passes, over TCP and over a socket in a folder.
func TestGoodDay(t *testing.T) {
	dir, err := os.MkdirTemp("", "l")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for _, to := range []string{echo(t, "tcp", "127.0.0.1:0"), echo(t, "unix", filepath.Join(dir, "s"))} {
		l := NewLink(t, to, 1)
		l.Set(Weather{Piece: 7, Delay: time.Millisecond, Jitter: time.Millisecond})
		c := dial(t, l)
		text := string(bytes.Repeat([]byte("0123456789"), 20))
		if got, err := says(c, text, soon); got != text || err != nil {
			t.Errorf("%s: %q, %v", to, got, err)
		}
		if s := l.Stats(); s.Connections != 1 || s.Pieces < 2*len(text)/7 || s.Cuts+s.Refused+s.Halves != 0 {
			t.Errorf("%+v", s)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(c); len(rest) > 0 || err != nil {
			t.Errorf("after the end: %q, %v", rest, err)
		}
	}
}

// Through a partition nothing passes, and everything afterwards; one that is
// frozen stays so while others come and go.
func TestPartition(t *testing.T) {
	l := NewLink(t, echo(t, "tcp", "127.0.0.1:0"), 1)
	c := dial(t, l)
	if got, err := says(c, "one", soon); got != "one" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	for what, w := range map[string]Weather{"both": Partition(), "up": {Stalled: [2]bool{Up: true}}, "down": {Stalled: [2]bool{Down: true}}} {
		l.Set(w)
		if got, err := says(c, "two", never); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		l.Set(Weather{})
		if got, err := says(c, "", soon); err != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		c.SetReadDeadline(time.Now().Add(soon))
		buf := make([]byte, 3)
		if _, err := io.ReadFull(c, buf); string(buf) != "two" || err != nil {
			t.Errorf("%s, afterwards: %q, %v", what, buf, err)
		}
	}
	l.Freeze()
	if got, err := says(c, "three", never); got != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("frozen: %q, %v", got, err)
	}
	if got, err := says(dial(t, l), "new", soon); got != "new" || err != nil {
		t.Errorf("a new one: %q, %v", got, err)
	}
}

// Connections that are cut, refused, broken and half closed are errors at the
// client, and counted.
func TestCuts(t *testing.T) {
	l := NewLink(t, echo(t, "tcp", "127.0.0.1:0"), 1)
	for what, w := range map[string]Weather{"refuse": {Refuse: true}, "cut up": {Cut: [2]float64{Up: 1}}, "cut down": {Cut: [2]float64{Down: 1}}, "half": {Half: 1}} {
		l.Set(w)
		c, err := net.Dial("tcp", l.Addr())
		if err != nil { // refused before it was there
			continue
		}
		defer c.Close()
		if got, err := says(c, what, soon); got != "" || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	l.Set(Weather{})
	c := dial(t, l)
	if got, err := says(c, "fine", soon); got != "fine" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	l.Break()
	if got, err := says(c, "gone", soon); got != "" || err == nil {
		t.Errorf("broken: %q, %v", got, err)
	}
	if s := l.Stats(); s.Refused != 1 || s.Cuts != 4 || s.Halves != 1 || s.Connections != 5 {
		t.Errorf("%+v", s)
	}
}

// Held connections arrive in another order than they were made in.
func TestHold(t *testing.T) {
	var mu sync.Mutex
	var order []byte
	srv, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 16 {
			c, err := srv.Accept()
			if err != nil {
				return
			}
			b := make([]byte, 1)
			io.ReadFull(c, b)
			mu.Lock()
			order = append(order, b[0])
			mu.Unlock()
			c.Close()
		}
	}()
	l := NewLink(t, srv.Addr().String(), 7)
	l.Set(Weather{Hold: 300 * time.Millisecond})
	for i := range 16 {
		if _, err := dial(t, l).Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	sorted := slices.Clone(order)
	slices.Sort(sorted)
	if len(order) != 16 || slices.Equal(order, sorted) {
		t.Errorf("%v", order)
	}
	for i, b := range sorted {
		if int(b) != i {
			t.Errorf("%v", order)
		}
	}
}

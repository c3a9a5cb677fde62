package faulttest

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Packets pass between namespaces, late and again when they are lost, and not at
// all through a cut.
func TestNet(t *testing.T) {
	n := NewNet(t, 1, "a", "b")
	l, err := n.Listen("b", 7000)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); io.Copy(c, c) }()
		}
	}()
	at := n.IP("b") + ":7000"
	talk := func(c net.Conn, text string, within time.Duration) (time.Duration, error) {
		begin := time.Now()
		got, err := says(c, text, within)
		if err == nil && got != text {
			t.Errorf("%q came back as %q", text[:10], got[:10])
		}
		return time.Since(begin), err
	}
	c, err := n.Dial("a", at, soon)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := talk(c, "on a good day", soon); err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(c.RemoteAddr().String()); host != n.IP("b") || !strings.HasPrefix(c.LocalAddr().String(), n.IP("a")) {
		t.Errorf("%v, %v", c.LocalAddr(), c.RemoteAddr())
	}
	n.Between("a", "b", Line{Delay: 60 * time.Millisecond, Jitter: 20 * time.Millisecond})
	if took, err := talk(c, "slowly", soon); err != nil || took < 120*time.Millisecond {
		t.Errorf("%s, %v", took, err)
	}
	n.All(Line{Loss: 0.1, Jitter: 5 * time.Millisecond})
	if _, err := talk(c, strings.Repeat("0123456789", 10000), time.Minute); err != nil {
		t.Error(err)
	}
	if passed, lost := n.Packets(); lost == 0 || lost > passed {
		t.Errorf("%d passed, %d lost", passed, lost)
	}
	n.Way("b", "a", Line{Cut: true}) // one way: it is heard, and nobody hears that
	if _, err := talk(c, "is anybody there?", 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("through a cut: %v", err)
	}
	if _, err := n.Dial("a", at, 300*time.Millisecond); err == nil {
		t.Error("connected through a cut")
	}
	n.All(Line{})
	if _, err := n.Dial("a", at, soon); err != nil {
		t.Error(err)
	}
}

package broker

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// calls counts the writes that come through.
type calls struct {
	bytes.Buffer
	n int
}

func (c *calls) Write(b []byte) (int, error) {
	c.n++
	return c.Buffer.Write(b)
}

// A stream of masks is few writes, and the bytes are those of many.
func TestSinkGathers(t *testing.T) {
	in := strings.Repeat("x"+token+" y "+token+"\n", 2000) // within a read or two
	x := newTrial(t, map[string]string{"TOKEN": token}, "printf", "%s", in)
	var out calls
	x.req.Stdout = &out
	if code, err := x.run(); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	if want := strings.Repeat("x[REDACTED:TOKEN] y [REDACTED:TOKEN]\n", 2000); out.String() != want {
		t.Errorf("%d bytes, want %d", out.Len(), len(want))
	}
	if out.n > 200 { // not one for each of 8,000 pieces, however the pipe was filled
		t.Errorf("%d writes", out.n)
	}
}

// Large pieces are not copied, small ones come before them, in order.
func TestSinkKeepsOrder(t *testing.T) {
	var want bytes.Buffer
	var out calls
	s := &sink{dst: &out}
	s.gather()
	for i := range 200 {
		b := bytes.Repeat([]byte{byte(i)}, i*i%(2*gathered))
		want.Write(b)
		if n, err := s.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := s.flush(); err != nil || !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("%v, %d bytes, want %d", err, out.Len(), want.Len())
	}
}

// Nothing is kept back from who looks on while the child is waited for.
func TestSinkIsEmptyAtARead(t *testing.T) {
	var out calls
	s := &sink{dst: &out}
	s.gather()
	f := &flushing{iotest.OneByteReader(strings.NewReader("abc")), s}
	for _, want := range []string{"", "p", "pp"} {
		b := make([]byte, 8)
		if n, err := f.Read(b); n != 1 || err != nil || out.String() != want {
			t.Errorf("read %d, %v; shown %q, want %q", n, err, out.String(), want)
		}
		s.Write([]byte("p"))
	}
}

// A sink that failed says so at each call, and gets nothing more.
func TestSinkFails(t *testing.T) {
	full := errors.New("full")
	var out calls
	s := &sink{dst: io.MultiWriter(&out, refuses{full})}
	s.gather()
	s.Write([]byte("a"))
	for range 2 {
		if err := s.flush(); !errors.Is(err, full) {
			t.Errorf("flush: %v", err)
		}
		if _, err := s.Write([]byte("b")); !errors.Is(err, full) {
			t.Errorf("write: %v", err)
		}
	}
	if out.String() != "a" {
		t.Errorf("%q came through", out.String())
	}
}

// refuses is a writer that fails.
type refuses struct{ err error }

func (r refuses) Write([]byte) (int, error) { return 0, r.err }

// A message that a child has sent is there while the child waits for the answer.
func TestFramesAreNotHeld(t *testing.T) {
	r, w := io.Pipe()
	sent := make(chan string, 1)
	x := newTrial(t, map[string]string{"TOKEN": token}, "sh", "-c", `echo "{\"a\":\"$TOKEN\"}"; read answer; echo "{\"b\":\"$answer\"}"`)
	stdinR, stdinW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdinR.Close()
	x.req.Frames, x.req.Stdout, x.req.Stdin = true, w, stdinR
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			sent <- lines.Text()
			stdinW.WriteString("yes\n")
		}
	}()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if code, err := x.run(); code != 0 || err != nil {
			t.Error(code, err)
		}
	}()
	for _, want := range []string{`{"a":"[REDACTED:TOKEN]"}`, `{"b":"yes"}`} {
		if got := <-sent; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	<-done
	stdinW.Close()
}

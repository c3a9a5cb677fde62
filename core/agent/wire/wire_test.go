package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/opaquevault/ov/core/secret"
)

// pair returns two ends of a connection.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
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
		t.Cleanup(func() { c.Close() })
	}
	return conns[0], conns[1]
}

func small() Limits { return Limits{Header: 4 << 10, Body: 64 << 10} }

func openFiles(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc to count descriptors in:", err)
	}
	return len(e)
}

func TestFrameCrosses(t *testing.T) {
	a, b := pair(t)
	r, w, _ := os.Pipe()
	defer w.Close()
	sent := &Frame{Header: Header{ID: 7, Op: "put", Args: []byte(`{"a":1}`), Hint: "h", Similar: []string{"x"}},
		Values: []secret.Value{secret.New([]byte("one\x00two")), {}, secret.New(bytes.Repeat([]byte("x"), 60<<10))}, Files: []*os.File{r}}
	go func() { NewConn(a, small()).Write(sent); r.Close() }()
	got, err := NewConn(b, small()).Read()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if got.ID != 7 || got.Op != "put" || string(got.Args) != `{"a":1}` || got.Hint != "h" || got.Similar[0] != "x" {
		t.Errorf("header is %+v", got.Header)
	}
	for i, v := range sent.Values {
		if !bytes.Equal(got.Values[i].Reveal(), v.Reveal()) {
			t.Errorf("value %d is another one", i)
		}
	}
	w.WriteString("through")
	buf := make([]byte, 7)
	if _, err := io.ReadFull(got.Files[0], buf); err != nil || string(buf) != "through" {
		t.Errorf("descriptor gave %q, %v", buf, err)
	}
	if flags, _ := unix.FcntlInt(uintptr(FD(got.Files[0])), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
		t.Error("a received descriptor would be inherited by an exec")
	}
}

// A value is one slice, cut off from its neighbour: appending to it must not
// write into the next one.
func TestValuesDoNotTouch(t *testing.T) {
	a, b := pair(t)
	go NewConn(a, small()).Write(&Frame{Values: []secret.Value{secret.New([]byte("aaaa")), secret.New([]byte("bbbb"))}})
	f, err := NewConn(b, small()).Read()
	if err != nil {
		t.Fatal(err)
	}
	_ = append(f.Values[0].Reveal(), '!')
	if got := string(f.Values[1].Reveal()); got != "bbbb" {
		t.Errorf("the second value became %q", got)
	}
	f.Close()
	if got := f.Values; got != nil {
		t.Error("Close left the values")
	}
}

func raw(header string, body string) []byte {
	out := binary.BigEndian.AppendUint32(nil, magic)
	out = binary.BigEndian.AppendUint32(out, uint32(len(header)))
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
	return append(append(out, header...), body...)
}

func prefix(m, header, body uint32) []byte {
	out := binary.BigEndian.AppendUint32(nil, m)
	out = binary.BigEndian.AppendUint32(out, header)
	return binary.BigEndian.AppendUint32(out, body)
}

func TestBadFrames(t *testing.T) {
	for name, in := range map[string][]byte{
		"other protocol":    []byte("GET / HTTP/1.1\r\n\r\n"),
		"huge header":       prefix(magic, 0xffffffff, 0),
		"huge body":         append(prefix(magic, 2, 0xffffffff), "{}"...),
		"header over limit": prefix(magic, 4<<10+1, 0),
		"half a prefix":     prefix(magic, 2, 0)[:5],
		"half a header":     raw(`{"id":1}`, "")[:14],
		"half a body":       raw(`{"sizes":[4]}`, "abcd")[:26],
		"no JSON":           raw(`{"id":`, ""),
		"JSON of others":    raw(`[1,2]`, ""),
		"negative size":     raw(`{"sizes":[-1,5]}`, "abcd"),
		"sizes too large":   raw(`{"sizes":[5]}`, "abcd"),
		"sizes overflow":    raw(`{"sizes":[9223372036854775807,9223372036854775807]}`, "abcd"),
		"sizes too small":   raw(`{"sizes":[3]}`, "abcd"),
		"body without size": raw(`{}`, "abcd"),
	} {
		a, b := pair(t)
		a.Write(in)
		a.CloseWrite()
		f, err := NewConn(b, small()).Read()
		if !errors.Is(err, ErrFrame) || f != nil {
			t.Errorf("%s: Read = %v, %v, want ErrFrame", name, f, err)
		}
		if err != nil && strings.Contains(err.Error(), "abcd") {
			t.Errorf("%s: the error quotes the body: %v", name, err)
		}
	}
}

func TestEndBetweenFrames(t *testing.T) {
	a, b := pair(t)
	a.Close()
	if _, err := NewConn(b, small()).Read(); err != io.EOF {
		t.Errorf("Read = %v, want io.EOF", err)
	}
}

// Every cut of a frame arrives as the frame, or as an error when it ends there.
func TestEveryCut(t *testing.T) {
	whole := raw(`{"id":3,"op":"x","sizes":[2,1]}`, "abc")
	for cut := range whole {
		a, b := pair(t)
		a.Write(whole[:cut])
		go func() { a.Write(whole[cut:]) }()
		f, err := NewConn(b, small()).Read()
		if err != nil || f.ID != 3 || string(f.Values[0].Reveal()) != "ab" || string(f.Values[1].Reveal()) != "c" {
			t.Fatalf("cut at %d: %+v, %v", cut, f, err)
		}
		a.Close()
		b.Close()
	}
}

// A flood of descriptors ends the connection and leaves none open.
func TestDescriptorFlood(t *testing.T) {
	before := openFiles(t)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{MaxFiles + 1, 50, 250} {
		a, b := pair(t)
		fds := make([]int, n)
		for i := range fds {
			fds[i] = int(null.Fd())
		}
		if _, _, err := a.WriteMsgUnix(raw(`{"id":1}`, ""), unix.UnixRights(fds...), nil); err != nil {
			t.Fatal(err)
		}
		f, err := NewConn(b, small()).Read()
		if !errors.Is(err, ErrFrame) || f != nil {
			t.Errorf("%d descriptors: Read = %v, %v, want ErrFrame", n, f, err)
		}
		a.Close()
		b.Close()
	}
	// Descriptors in the middle of a frame are not even taken.
	a, b := pair(t)
	frame := raw(`{"id":1,"sizes":[4]}`, "abcd")
	a.Write(frame[:len(frame)-4])
	a.WriteMsgUnix(frame[len(frame)-4:], unix.UnixRights(int(null.Fd())), nil)
	f, err := NewConn(b, small()).Read()
	if err != nil || len(f.Files) != 0 {
		t.Errorf("Read = %+v, %v", f, err)
	}
	a.Close()
	b.Close()
	null.Close()
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors open, %d before", after, before)
	}
}

// A header that is not sent in full costs no more memory than it may.
func TestWriteToClosed(t *testing.T) {
	a, b := pair(t)
	b.Close()
	if err := NewConn(a, small()).Write(&Frame{Header: Header{ID: 1}, Values: []secret.Value{secret.New(make([]byte, 1<<10))}}); err == nil {
		t.Error("Write to a closed peer worked")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(raw(`{"id":1,"op":"hello"}`, ""))
	f.Add(raw(`{"id":1,"sizes":[1,2]}`, "abc"))
	f.Add(prefix(magic, 1<<31, 1<<31))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, b := pair(t)
		go func() { a.Write(in); a.CloseWrite() }()
		c := NewConn(b, small())
		for {
			frame, err := c.Read()
			if err != nil {
				if frame != nil {
					t.Fatal("a frame beside an error")
				}
				break
			}
			sum := 0
			for i, v := range frame.Values {
				if v.Len() != frame.Sizes[i] {
					t.Fatalf("value %d has %d bytes, announced %d", i, v.Len(), frame.Sizes[i])
				}
				sum += v.Len()
			}
			if sum > small().Body {
				t.Fatalf("%d bytes of values, over the limit", sum)
			}
			frame.Close()
		}
	})
}

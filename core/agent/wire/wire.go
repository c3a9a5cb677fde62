// Package wire is the byte level of the protocol between ov-agent and its
// clients: length-prefixed frames over a unix socket. A frame has a small JSON
// header and, beside it, raw values: a secret never passes through a JSON
// string, which nobody could wipe. Descriptors travel with the first byte of a
// frame.
//
//	u32 magic "ov\x00\x01" | u32 header length | u32 body length | header | body
//
// Integers are big-endian. The layout of the prefix, of Header and of the ops
// "hello" and "stop" is the same in every version, so that any two versions
// can at least tell each other to go.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// Version is spoken by this build. It is raised when an op changes its meaning.
const Version = 1

const (
	magic     = 0x6f760001
	prefixLen = 12
	// MaxFiles is the number of descriptors that may come with one frame.
	MaxFiles = 3
	// frameTime is how long the rest of a frame may take once it has begun.
	frameTime = 10 * time.Second
)

// ErrFrame is wrapped by every error about a malformed or oversized frame.
// After it the connection is of no more use.
var ErrFrame = errors.New("bad frame")

// A Header describes a request (Op is set) or its answer.
type Header struct {
	ID      uint64          `json:"id"`
	Op      string          `json:"op,omitempty"`
	Code    string          `json:"code,omitempty"` // of an error; empty: it worked
	Message string          `json:"message,omitempty"`
	Hint    string          `json:"hint,omitempty"`
	Similar []string        `json:"similar,omitempty"` // names close to one that was not found
	Notice  string          `json:"notice,omitempty"`  // what the person should know beside the answer
	Args    json.RawMessage `json:"args,omitempty"`
	// Approve, in a request, is the kind of its first descriptor, on which there
	// is a password to approve it; in an answer, the id of what needs approval.
	Approve string `json:"approve,omitempty"`
	Sizes   []int  `json:"sizes,omitempty"` // of the values in the body, in order
}

// A Frame is one message. Whoever reads it owns its values and files.
type Frame struct {
	Header
	Values []secret.Value
	Files  []*os.File
}

// Close closes the files that came with f and wipes its values.
func (f *Frame) Close() {
	for _, file := range f.Files {
		file.Close()
	}
	for _, v := range f.Values {
		v.Wipe()
	}
	f.Files, f.Values = nil, nil
}

// Limits bound what Read accepts, in bytes.
type Limits struct{ Header, Body int }

// A Conn sends and receives frames. One goroutine may read while many write.
type Conn struct {
	sock   *net.UnixConn
	limits Limits
	write  sync.Mutex
	// WriteTime is how long a peer may leave a frame unread; zero: forever.
	WriteTime time.Duration
}

// NewConn returns a Conn over sock, which it owns.
func NewConn(sock *net.UnixConn, l Limits) *Conn { return &Conn{sock: sock, limits: l} }

// Socket returns the socket below, for its peer's identity.
func (c *Conn) Socket() *net.UnixConn { return c.sock }

// Close closes the socket; a Read that waits returns.
func (c *Conn) Close() error { return c.sock.Close() }

// Write sends f in one piece. It neither wipes nor closes anything.
func (c *Conn) Write(f *Frame) error {
	size := 0
	f.Sizes = f.Sizes[:0]
	for _, v := range f.Values {
		f.Sizes = append(f.Sizes, v.Len())
		size += v.Len()
	}
	header, err := json.Marshal(f.Header)
	if err != nil {
		return err
	}
	head := make([]byte, prefixLen, prefixLen+len(header))
	binary.BigEndian.PutUint32(head, magic)
	binary.BigEndian.PutUint32(head[4:], uint32(len(header)))
	binary.BigEndian.PutUint32(head[8:], uint32(size))
	head = append(head, header...)

	c.write.Lock()
	defer c.write.Unlock()
	if c.WriteTime > 0 {
		c.sock.SetWriteDeadline(time.Now().Add(c.WriteTime))
	}
	if err := c.send(head, f.Files); err != nil {
		return err
	}
	if size == 0 {
		return nil
	}
	buffers := make(net.Buffers, len(f.Values))
	for i, v := range f.Values {
		buffers[i] = v.Reveal()
	}
	_, err = buffers.WriteTo(c.sock)
	return err
}

// send writes head, with the files beside its first byte.
func (c *Conn) send(head []byte, files []*os.File) error {
	if len(files) == 0 {
		_, err := c.sock.Write(head)
		return err
	}
	rights, err := rightsOf(files)
	if err != nil {
		return err
	}
	n, _, err := c.sock.WriteMsgUnix(head, rights, nil)
	if err != nil {
		return err
	}
	if n < len(head) {
		_, err = c.sock.Write(head[n:])
	}
	return err
}

// Read waits for the next frame. io.EOF means that the peer went away between
// two frames.
func (c *Conn) Read() (f *Frame, err error) {
	f = &Frame{}
	defer func() {
		if err != nil {
			f.Close()
			f = nil
		}
	}()
	var prefix [prefixLen]byte
	if err := c.readPrefix(prefix[:], f); err != nil {
		return f, err
	}
	defer c.sock.SetReadDeadline(time.Time{})
	header, body := binary.BigEndian.Uint32(prefix[4:]), binary.BigEndian.Uint32(prefix[8:])
	switch {
	case binary.BigEndian.Uint32(prefix[:]) != magic:
		return f, fmt.Errorf("%w: not our protocol", ErrFrame)
	case int64(header) > int64(c.limits.Header):
		return f, fmt.Errorf("%w: header of %d bytes, at most %d", ErrFrame, header, c.limits.Header)
	case int64(body) > int64(c.limits.Body):
		return f, fmt.Errorf("%w: body of %d bytes, at most %d", ErrFrame, body, c.limits.Body)
	}
	raw := make([]byte, header)
	if _, err := io.ReadFull(c.sock, raw); err != nil {
		return f, cut(err)
	}
	if err := json.Unmarshal(raw, &f.Header); err != nil {
		return f, fmt.Errorf("%w: header is not JSON of ours", ErrFrame)
	}
	return f, c.readBody(f, int(body))
}

// readPrefix fills prefix and takes the descriptors that come with it. The
// clock starts at the first byte.
func (c *Conn) readPrefix(prefix []byte, f *Frame) error {
	oob := make([]byte, rightsSpace())
	for have := 0; have < len(prefix); {
		n, oobn, flags, _, err := c.sock.ReadMsgUnix(prefix[have:], oob)
		if oobn > 0 {
			if e := f.take(oob[:oobn]); e != nil && err == nil {
				err = e
			}
		}
		if err != nil {
			switch {
			case have > 0:
				return cut(err)
			case errors.Is(err, io.EOF):
				return io.EOF
			}
			return err
		}
		if flags&truncated != 0 || len(f.Files) > MaxFiles {
			return fmt.Errorf("%w: more than %d descriptors", ErrFrame, MaxFiles)
		}
		if n == 0 {
			if have > 0 {
				return cut(io.EOF)
			}
			return io.EOF
		}
		if have == 0 {
			c.sock.SetReadDeadline(time.Now().Add(frameTime))
		}
		have += n
	}
	return nil
}

// FD returns the descriptor of f, which must stay open while it is used. Unlike
// f.Fd it leaves the mode of the open file alone, which others may share.
func FD(f *os.File) int {
	fd := -1
	if raw, err := f.SyscallConn(); err == nil {
		raw.Control(func(n uintptr) { fd = int(n) })
	}
	return fd
}

// readBody reads n bytes and hands them out as the values that f.Sizes says.
func (c *Conn) readBody(f *Frame, n int) error {
	sum := 0
	for _, size := range f.Sizes {
		if size < 0 || size > n-sum {
			return fmt.Errorf("%w: sizes do not fit the body", ErrFrame)
		}
		sum += size
	}
	if sum != n {
		return fmt.Errorf("%w: sizes do not fill the body", ErrFrame)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(c.sock, body); err != nil {
		clear(body)
		return cut(err)
	}
	for _, size := range f.Sizes {
		f.Values = append(f.Values, secret.New(body[:size:size]))
		body = body[size:]
	}
	return nil
}

// cut says that a frame ended in its middle.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: cut off: %w", ErrFrame, err)
}

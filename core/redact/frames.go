package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// maxLiteral is the longest JSON string that Frames holds, in bytes.
const maxLiteral = 16 << 20

// ErrLiteral is the error for a JSON string that is too long to be looked at.
var ErrLiteral = errors.New("JSON string over 16 MiB")

// Frames masks a stream of JSON messages, one a line, without touching their
// structure: each string is decoded, masked and encoded again if it changed, a
// number that is a secret becomes a string, and all else passes as it comes. So
// a secret cannot hide behind escapes, and a mask cannot break a message. Lines
// that are not JSON are masked as text. It is not safe for concurrent use.
type Frames struct {
	dst   io.Writer
	w     *Writer
	sunk  bytes.Buffer // what w passed on
	out   []byte       // what the current write passes on
	token []byte       // the string or number that has begun
	state frameState
	depth int
	id    bool // the last string was "id", directly in a message
	err   error
}

type frameState uint8

const (
	lineStart frameState = iota
	textLine
	outside
	inString
	inEscape
	inNumber
)

// NewFrames returns a Frames that masks the needles of s and writes to dst.
func NewFrames(dst io.Writer, s *Set) *Frames {
	f := &Frames{dst: dst}
	f.w = NewWriter(&f.sunk, s, nil)
	return f
}

// Counts is what was masked so far.
func (f *Frames) Counts() []Count { return f.w.Counts() }

// Write takes a piece of the stream. After an error nothing more is passed on.
func (f *Frames) Write(p []byte) (int, error) {
	for _, b := range p {
		if f.err != nil {
			return 0, f.err
		}
		f.take(b)
	}
	if f.state == textLine {
		f.drain()
	}
	return len(p), f.pass()
}

// ReadFrom takes the stream from r until its end.
func (f *Frames) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		n += int64(k)
		if _, werr := f.Write(buf[:k]); werr != nil {
			return n, werr
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// Close ends the stream: what has begun is masked and passed on.
func (f *Frames) Close() error {
	if f.err != nil {
		return f.err
	}
	f.number()
	f.text(f.token)
	f.token = nil
	err := f.w.Close()
	f.drain()
	return errors.Join(err, f.pass())
}

// pass writes what is decided.
func (f *Frames) pass() error {
	if f.err == nil && len(f.out) > 0 {
		_, f.err = f.dst.Write(f.out)
		f.out = f.out[:0]
	}
	return f.err
}

func (f *Frames) take(b byte) {
	switch f.state {
	case lineStart:
		f.begin(b)
	case textLine:
		f.feed([]byte{b})
		if b == '\n' {
			f.state = lineStart
		}
	case inString, inEscape:
		f.inside(b)
	case inNumber:
		if isNumber(b) {
			f.token = append(f.token, b)
			return
		}
		f.number()
		f.structure(b)
	default:
		f.structure(b)
	}
}

// begin looks at the first bytes of a line: a message begins with a brace or a
// bracket.
func (f *Frames) begin(b byte) {
	switch b {
	case ' ', '\t', '\r', '\n':
		f.feed([]byte{b}) // it may be in the middle of a text
	case '{', '[':
		f.feed(nil)
		f.flush()
		f.depth = 0
		f.structure(b)
	default:
		f.state = textLine
		f.feed([]byte{b})
	}
}

// structure is a byte between strings and numbers.
func (f *Frames) structure(b byte) {
	f.state = outside
	switch {
	case b == '"':
		f.token = append(f.token[:0], b)
		f.state = inString
		return
	case isNumber(b) && b != 'e' && b != 'E':
		f.token = append(f.token[:0], b)
		f.state = inNumber
		return
	case b == '{' || b == '[':
		f.depth++
	case b == '}' || b == ']':
		f.depth--
	case b == ',':
		f.id = false
	case b == '\n':
		f.state = lineStart
	}
	f.out = append(f.out, b)
}

func isNumber(b byte) bool {
	return b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E'
}

// inside is a byte of a string.
func (f *Frames) inside(b byte) {
	if len(f.token) >= maxLiteral {
		f.err = ErrLiteral
		return
	}
	f.token = append(f.token, b)
	switch {
	case b == '\n': // no JSON after all
		f.text(f.token)
		f.token, f.state = f.token[:0], lineStart
	case f.state == inEscape:
		f.state = inString
	case b == '\\':
		f.state = inEscape
	case b == '"':
		f.literal()
		f.state = outside
	}
}

// literal is a whole string. What cannot be decoded is masked as text.
func (f *Frames) literal() {
	var s string
	if err := json.Unmarshal(f.token, &s); err != nil {
		f.text(f.token)
		f.token = f.token[:0]
		return
	}
	f.id = s == "id" && f.depth == 1
	if masked := f.masked([]byte(s)); string(masked) == s {
		f.out = append(f.out, f.token...)
	} else {
		f.out = append(f.out, quoted(masked)...)
	}
	f.token = f.token[:0]
}

// number is a whole number, if one has begun. An id is the message's own.
func (f *Frames) number() {
	if f.state != inNumber {
		return
	}
	masked := f.masked(f.token)
	if f.id && f.depth == 1 || bytes.Equal(masked, f.token) {
		f.out = append(f.out, f.token...)
	} else {
		f.out = append(f.out, quoted(masked)...)
	}
	f.token, f.state = f.token[:0], outside
}

// masked is b with every needle in it masked, as a stream of its own.
func (f *Frames) masked(b []byte) []byte {
	f.flush() // there is nothing of another text in front of it
	at := f.sunk.Len()
	_, err := f.w.Write(b)
	if err == nil {
		err = f.w.Flush()
	}
	if err != nil {
		f.err = err
		return nil
	}
	masked := bytes.Clone(f.sunk.Bytes()[at:])
	f.sunk.Truncate(at)
	return masked
}

// text masks b as part of a text.
func (f *Frames) text(b []byte) {
	f.feed(b)
	f.flush()
}

func (f *Frames) feed(b []byte) {
	if _, err := f.w.Write(b); err != nil && f.err == nil {
		f.err = err
	}
}

func (f *Frames) flush() {
	if err := f.w.Flush(); err != nil && f.err == nil {
		f.err = err
	}
	f.drain()
}

func (f *Frames) drain() {
	f.out = append(f.out, f.sunk.Bytes()...)
	f.sunk.Reset()
}

// quoted is b as a JSON string, without the escapes for HTML.
func quoted(b []byte) []byte {
	var q bytes.Buffer
	e := json.NewEncoder(&q)
	e.SetEscapeHTML(false)
	if err := e.Encode(string(b)); err != nil {
		return []byte(`""`)
	}
	return bytes.TrimSuffix(q.Bytes(), []byte("\n"))
}

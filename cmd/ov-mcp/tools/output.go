package tools

import (
	"fmt"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// clip keeps the first and the last part of what is written to it, half of max
// bytes each, and counts the rest. What arrives is masked already: cutting
// first could leave a part of a secret that no needle matches.
type clip struct {
	max   int
	head  []byte
	tail  []byte // a ring once it is full
	start int    // of the oldest byte in tail
	total int64
	seen  *atomic.Int64 // both outputs together, for progress; may be nil
}

func newClip(max int) *clip { return &clip{max: max} }

// Write never fails.
func (c *clip) Write(p []byte) (int, error) {
	n := len(p)
	c.total += int64(n)
	if c.seen != nil {
		c.seen.Add(int64(n))
	}
	if room := c.max/2 - len(c.head); room > 0 {
		k := min(room, len(p))
		c.head = append(c.head, p[:k]...)
		p = p[k:]
	}
	c.keep(p)
	return n, nil
}

func (c *clip) keep(p []byte) {
	size := c.max - c.max/2
	if len(p) >= size {
		c.tail, c.start = append(c.tail[:0], p[len(p)-size:]...), 0
		return
	}
	if room := size - len(c.tail); room > 0 {
		k := min(room, len(p))
		c.tail = append(c.tail, p[:k]...)
		p = p[k:]
	}
	for len(p) > 0 {
		k := copy(c.tail[c.start:], p)
		c.start = (c.start + k) % size
		p = p[k:]
	}
}

// dropped is how many bytes are in neither part.
func (c *clip) dropped() int64 { return c.total - int64(len(c.head)) - int64(len(c.tail)) }

// text returns both parts as valid UTF-8 with a line between them that says
// what is missing. A character that the cut halves is left out.
func (c *clip) text() string {
	tail := string(c.tail[c.start:]) + string(c.tail[:c.start])
	if c.dropped() == 0 {
		return valid(string(c.head) + tail)
	}
	for n := 0; n < utf8.UTFMax && len(tail) > 0 && !utf8.RuneStart(tail[0]); n++ {
		tail = tail[1:]
	}
	return fmt.Sprintf("%s\n[... %d bytes left out; narrow it with grep, head or tail, or raise max_output_bytes ...]\n%s",
		valid(whole(string(c.head))), c.dropped(), valid(tail))
}

// whole drops an incomplete character at the end.
func whole(s string) string {
	for n := 1; n <= utf8.UTFMax && n <= len(s); n++ {
		if b := s[len(s)-n]; utf8.RuneStart(b) {
			if !utf8.FullRuneInString(s[len(s)-n:]) {
				return s[:len(s)-n]
			}
			break
		}
	}
	return s
}

// valid replaces what is not UTF-8: JSON can carry nothing else.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// capture is both outputs of one command.
type capture struct {
	stdout, stderr *clip
	seen           atomic.Int64
}

func newCapture(max int) *capture {
	c := &capture{stdout: newClip(max), stderr: newClip(max)}
	c.stdout.seen, c.stderr.seen = &c.seen, &c.seen
	return c
}

func (c *capture) bytes() int64 { return c.seen.Load() }

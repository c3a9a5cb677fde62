package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"
	"time"
)

// Recent returns the entries since a time, oldest first, and believes none of
// them unseen: it reads backwards from the log's end, whose MAC is known, and
// each line vouches for the one before it. Nobody resets a count that is taken
// from here by editing the files.
func (l *Log) Recent(since time.Time) ([]Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.keys == nil {
		return nil, ErrClosed
	}
	if err := l.locked(func() error { return l.load("") }); err != nil {
		return nil, writeError("read", err)
	}
	var macs []hash.Hash
	for _, k := range l.keys {
		macs = append(macs, hmac.New(sha256.New, k.chain))
	}
	all, err := l.since(since, macs)
	slices.Reverse(all)
	return all, err
}

// since reads backwards, file by file, until a record is older.
func (l *Log) since(since time.Time, macs []hash.Hash) (all []Entry, err error) {
	b, err := readBase(l.dir, l.keys)
	if err != nil {
		return nil, fmt.Errorf("read audit log: %w", err)
	}
	back := &backward{dir: l.dir, first: b.first(), no: l.mark.file, size: int64(l.mark.size)}
	defer back.close()
	line, err := back.line()
	for mac := l.mark.mac; err == nil && line != nil; {
		body, got, ok := splitLine(line)
		if !ok || got != mac {
			return nil, fmt.Errorf("read audit log: %w", ErrBroken)
		}
		current := bytes.Clone(line)
		body = current[:len(body)]
		if line, err = back.line(); err != nil {
			return nil, err
		}
		var before [macSize]byte // zeros for the first line
		if line == nil && b != nil {
			before = b.mac
		}
		if line != nil {
			if _, before, ok = splitLine(line); !ok {
				return nil, fmt.Errorf("read audit log: %w", ErrBroken)
			}
		}
		if !slices.ContainsFunc(macs, func(h hash.Hash) bool { return chain(h, before, body) == mac }) {
			return nil, fmt.Errorf("read audit log: %w", ErrBroken)
		}
		mac = before
		if special(current) {
			continue
		}
		var e Entry
		if err := json.Unmarshal(current, &e); err != nil {
			return nil, fmt.Errorf("read audit log: malformed record: %w", ErrBroken)
		}
		if e.Time.Before(since) {
			return all, nil
		}
		all = append(all, e)
	}
	return all, err
}

// backward reads the lines of a log's files from the last to the first.
type backward struct {
	dir   string
	first uint64 // file
	no    uint64 // of the file
	size  int64  // of it, that has not been read
	file  *os.File
	buf   []byte // what was read of it and not returned
}

const backwardChunk = 64 << 10

// line returns the line before, without its newline; nil at the beginning.
func (b *backward) line() ([]byte, error) {
	for {
		if n := len(b.buf); n > 0 {
			if at := bytes.LastIndexByte(b.buf[:n-1], '\n'); at >= 0 || b.size == 0 {
				line := b.buf[at+1 : n-1]
				b.buf = b.buf[:at+1]
				return line, nil
			}
		}
		if b.size == 0 {
			if b.no < b.first || b.no == b.first && b.file != nil {
				return nil, nil
			}
			if err := b.previous(); err != nil {
				return nil, err
			}
			continue
		}
		if err := b.more(); err != nil {
			return nil, err
		}
	}
}

// previous opens the next file to read, at its end.
func (b *backward) previous() error {
	b.close()
	b.no--
	f, err := openRead(filePath(b.dir, b.no))
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("read audit log: %w", err)
	}
	b.file, b.size, b.buf = f, info.Size(), nil
	return nil
}

// more reads a chunk before what is there.
func (b *backward) more() error {
	if b.file == nil {
		f, err := openRead(filePath(b.dir, b.no))
		if err != nil {
			return fmt.Errorf("read audit log: %w", err)
		}
		b.file = f
	}
	n := min(b.size, backwardChunk)
	chunk := make([]byte, n, int(n)+len(b.buf))
	if _, err := b.file.ReadAt(chunk, b.size-n); err != nil && err != io.EOF {
		return fmt.Errorf("read audit log: %w", err)
	}
	b.buf, b.size = append(chunk, b.buf...), b.size-n
	return nil
}

func (b *backward) close() {
	if b.file != nil {
		b.file.Close()
		b.file = nil
	}
}

package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// errLong says that a line was longer than the limit. The line is gone, the
// next one can be read.
var errLong = errors.New("line too long")

// lines reads messages, one a line, of at most max bytes each.
type lines struct {
	r   *bufio.Reader
	max int
}

// next returns the next line that is not blank, without its end. The slice is
// the caller's. A last line without an end is returned too.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.one()
		if err != nil || len(line) > 0 {
			return line, err
		}
	}
}

func (l *lines) one() ([]byte, error) {
	var line []byte
	for {
		part, err := l.r.ReadSlice('\n')
		if len(line)+len(part) > l.max+1 {
			return nil, l.skip(err)
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimSpace(line), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(bytes.TrimSpace(line)) > 0:
			return bytes.TrimSpace(line), nil
		default:
			return nil, err
		}
	}
}

// skip reads to the end of the line and keeps nothing of it.
func (l *lines) skip(err error) error {
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return errLong
}

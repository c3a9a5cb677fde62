package broker

import "io"

// gathered is up to how many bytes are gathered before they are written: a
// program that prints little but secrets is masked into pieces of a few bytes.
const gathered = 32 << 10

// A sink is where a masked stream goes. It remembers its own failure, so that it
// is told from one of masking.
type sink struct {
	dst io.Writer
	buf []byte // nil: each write goes through at once
	err error
}

// gather has small writes wait for each other until flush.
func (s *sink) gather() { s.buf = make([]byte, 0, gathered) }

// Write writes b, or, if it is small, keeps a copy for the next flush.
func (s *sink) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	if len(b) > cap(s.buf)-len(s.buf) {
		if err := s.flush(); err != nil {
			return 0, err
		}
	}
	if len(b) < cap(s.buf)/4 {
		s.buf = append(s.buf, b...)
		return len(b), nil
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	n, err := s.dst.Write(b)
	s.err = err
	return n, err
}

// flush writes what waits.
func (s *sink) flush() error {
	if len(s.buf) == 0 || s.err != nil {
		return s.err
	}
	n, err := s.dst.Write(s.buf)
	if err == nil && n < len(s.buf) {
		err = io.ErrShortWrite
	}
	s.buf, s.err = s.buf[:0], err
	return err
}

// flushing is an output of the child. Nothing waits in the sink while it is read:
// what the child has printed is shown before it is asked for more.
type flushing struct {
	io.Reader
	sink *sink
}

// Read flushes and reads.
func (f *flushing) Read(b []byte) (int, error) {
	if err := f.sink.flush(); err != nil {
		return 0, err
	}
	return f.Reader.Read(b)
}

// Close closes the output.
func (f *flushing) Close() error {
	closePipe(f.Reader)
	return nil
}

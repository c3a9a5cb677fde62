package main

import (
	"io"
	"sync"
)

// watched tells when its reader has ended.
type watched struct {
	io.Reader
	once  sync.Once
	ended chan struct{}
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if err != nil {
		w.once.Do(func() { close(w.ended) })
	}
	return n, err
}

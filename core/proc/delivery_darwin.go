package proc

import (
	"io"
	"os"
)

// memoryDirs: none is known to be in memory.
func memoryDirs() []string { return nil }

// pipeHolds is how much a pipe takes without a reader, here and now.
const pipeHolds = 16 << 10

// memoryFile is the reading end of a pipe: it can be read once.
func memoryFile(_ string, write func(io.Writer) error) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := write(&bounded{w, pipeHolds}); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// bounded refuses what would block.
type bounded struct {
	w    io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, ErrNoMemory
	}
	return b.w.Write(p)
}

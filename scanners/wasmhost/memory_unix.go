//go:build linux || darwin

package wasmhost

import (
	"context"
	"syscall"

	"github.com/tetratelabs/wazero/experimental"
)

// withMemory has guests live in mappings of their own, outside of Go's heap: only
// what a guest touches costs memory, growing copies nothing, and closing it gives
// all of it back at once.
func withMemory(ctx context.Context) context.Context {
	return experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(
		func(_, most uint64) experimental.LinearMemory { return &mapping{most: int(most)} }))
}

// A mapping is the memory of one guest. It is reserved whole at the first use.
type mapping struct {
	most int
	b    []byte
}

// Reallocate returns the first size bytes, or nil if there is no memory: then
// growing fails, which the guest is told.
func (m *mapping) Reallocate(size uint64) []byte {
	if m.b == nil && m.most > 0 {
		b, err := syscall.Mmap(-1, 0, m.most, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			return nil
		}
		m.b = b
	}
	if size > uint64(len(m.b)) {
		return nil
	}
	return m.b[:size:size]
}

// Free gives the memory back.
func (m *mapping) Free() {
	if m.b != nil {
		syscall.Munmap(m.b)
		m.b = nil
	}
}

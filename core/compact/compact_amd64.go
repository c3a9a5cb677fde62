package compact

import "golang.org/x/sys/cpu"

// vector says that the processor has what copyBlocks needs.
var vector = cpu.X86.HasAVX2 && cpu.X86.HasPOPCNT

// copyBlocks is blocks with vectors, for at least one block.
//
//go:noescape
func copyBlocks(dst, src *byte, starts *int32, blocks int, set *rows, moves *[256][8]byte) (done, n int)

//go:build !amd64

package compact

const vector = false

func copyBlocks(dst, src *byte, starts *int32, blocks int, set *rows, moves *[256][8]byte) (done, n int) {
	panic("no vectors here")
}

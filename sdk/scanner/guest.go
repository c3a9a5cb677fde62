package scanner

import (
	"encoding/binary"
	"unsafe"
)

// Negative results of ov_scan and ov_init.
const (
	errNoScanner = -1
	errTooMany   = -2
	errConfig    = -3
)

const spanSize = 16

// The buffers, allocated once: the host writes windows into input and reads
// spans from output.
var input, output []byte

//go:wasmexport ov_abi_v1
func abi() {}

//go:wasmexport ov_bufs
func bufs(in, out int32) int64 {
	input, output = make([]byte, in), make([]byte, out)
	return int64(address(input))<<32 | int64(address(output))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

//go:wasmexport ov_init
func configure(n int32) int32 {
	if configFunc == nil {
		return 0
	}
	if err := configFunc(input[:n:n]); err != nil {
		return errConfig
	}
	return 0
}

//go:wasmexport ov_scan
func scan(n, flags int32) int32 {
	if scanFunc == nil {
		return errNoScanner
	}
	count = 0
	scanFunc(Window{Bytes: input[:n:n], Rule: int(flags>>8) & 0xff, Begin: flags&1 != 0, End: flags&2 != 0}, report)
	if count*spanSize > len(output) {
		return errTooMany
	}
	return int32(count)
}

// count is how many spans the call under way has reported. It is no closure's, so
// that a call makes no garbage.
var count int

func report(s Span) {
	at := count * spanSize
	if count++; at+spanSize <= len(output) {
		put(output[at:at+spanSize], s)
	}
}

// put writes a span as ABI.md lays it out.
func put(b []byte, s Span) {
	binary.LittleEndian.PutUint32(b, uint32(s.Start))
	binary.LittleEndian.PutUint32(b[4:], uint32(s.End-s.Start))
	binary.LittleEndian.PutUint16(b[8:], uint16(s.Rule))
	b[10], b[11] = byte(s.Severity), byte(s.Confidence)
	flags := uint32(0)
	if s.Open {
		flags = 1
	}
	binary.LittleEndian.PutUint32(b[12:], flags)
}

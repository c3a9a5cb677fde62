package asm

import (
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Where the scanners that Scanner makes have their buffers.
const (
	In  = 1 << 12
	Out = 1 << 17
)

// Manifest is a manifest with one rule, for the modules of tests.
const Manifest = `{"abi":1,"name":"test","version":"1","mode":"window",` +
	`"rules":[{"id":"test-rule","keywords":["acme_"],"after":37,"until":"END"}]}`

// AddScan adds the exports of a scanner whose ov_scan has the locals and code.
func (m *Module) AddScan(locals []byte, code ...[]byte) *Module {
	if len(m.memories) == 0 {
		m.Memory(4, -1)
	}
	m.Export("memory", module.KindMemory, 0)
	m.Export("ov_abi_v1", module.KindFunc, m.Func(nil, nil, nil))
	m.Export("ov_bufs", module.KindFunc, m.Func([]byte{I32, I32}, []byte{I64}, nil, I64Const(In<<32|Out)))
	m.Export("ov_scan", module.KindFunc, m.Func([]byte{I32, I32}, []byte{I32}, locals, code...))
	return m
}

// WithManifest adds the manifest and returns the module's bytes.
func (m *Module) WithManifest(text string) []byte {
	if text == "" {
		text = Manifest
	}
	m.Custom("ov.scanner", []byte(text))
	return m.Bytes()
}

// Span is code that writes a span to the output buffer at a place and leaves
// nothing.
func Span(i int, at, length, rest, flags int32) []byte {
	to := uint32(Out + 16*i)
	store := func(offset uint32, v int32) []byte {
		return Cat(I32Const(int32(to+offset)), I32Const(v), Mem(0x36, 0))
	}
	return Cat(store(0, at), store(4, length), store(8, rest), store(12, flags))
}

// Package wasmhost runs a third party's WebAssembly module as a scan.Scanner. A
// module is a pure function over a window of output: bytes in, spans out. It is
// metered when it is loaded, gets no files, no clock and no network, and costs
// nothing until one of its keywords is seen. Whatever goes wrong in it masks the
// whole window.
package wasmhost

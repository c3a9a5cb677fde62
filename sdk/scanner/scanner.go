// Package scanner is the guest side of ov's scanner ABI for Go. A scanner is a
// pure function over a window of output; Serve makes it the module's:
//
//	func init() {
//		scanner.Serve(func(w scanner.Window, found func(scanner.Span)) {
//			if i := bytes.Index(w.Bytes, []byte("acme_")); i >= 0 {
//				found(scanner.Span{Start: i, End: i + 37})
//			}
//		})
//	}
//
//	func main() {}
//
// Build it with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
// ABI.md beside this file is the contract in bytes.
package scanner

// A Window is what a scanner is shown. Bytes is valid during the call only.
type Window struct {
	Bytes []byte
	Rule  int  // index, in the manifest, of the rule whose keyword was seen
	Begin bool // of the stream; in stream mode only
	End   bool // nothing comes after it
}

// A Span is a finding: Bytes[Start:End], or from Start on if Open.
type Span struct {
	Start, End int
	Rule       int // index in the manifest
	Severity   Severity
	Confidence int  // 0 to 100
	Open       bool // mask on after End, until the rule's `until`
}

// A Severity is how bad a finding is.
type Severity uint8

// The severities.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

// A Func looks at a window and calls found for each finding. It depends on the
// window alone and keeps nothing.
type Func func(w Window, found func(Span))

// Serve makes f the module's scanner. Call it from an init function.
func Serve(f Func) { scanFunc = f }

// Configure has f read the scanner's configuration, JSON, before the first
// window. An error refuses it.
func Configure(f func(config []byte) error) { configFunc = f }

var (
	scanFunc   Func
	configFunc func([]byte) error
)

//go:build !wasm

package scanner

import "embed"

// Files are the guest sides of all languages and a first scanner in each, for
// `ov scanner new`.
//
//go:embed scanner.go guest.go c/ov_scanner.h rust/ov_scanner.rs assemblyscript/ov.ts hello
var Files embed.FS

// A scanner in Go: acme_ and 32 hex digits.
package main

import (
	"regexp"

	"github.com/opaquevault/ov/sdk/scanner"
)

var token = regexp.MustCompile(`acme_[0-9a-f]{32}`)

func init() {
	scanner.Serve(func(w scanner.Window, found func(scanner.Span)) {
		for _, m := range token.FindAllIndex(w.Bytes, -1) {
			found(scanner.Span{Start: m[0], End: m[1], Severity: scanner.High, Confidence: 90})
		}
	})
}

func main() {}

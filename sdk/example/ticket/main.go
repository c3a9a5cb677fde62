// Command ticket is a scanner for one company's own secret, the ticket tokens of
// Northwind's help desk: three groups of four letters and digits, and a checksum.
// Build it with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared.
package main

import "github.com/opaquevault/ov/sdk/scanner"

const shape = "nwt_XXXX-XXXX-XXXX-00" // nwt_7QX4-2M9D-KF3A-10

func init() { scanner.Serve(scan) }

func main() {}

// scan reports each token. A checksum that is wrong lowers the confidence; it
// never lets a token through, for a mistyped one is still close to a real one.
func scan(w scanner.Window, found func(scanner.Span)) {
	for i := 0; i+len(shape) <= len(w.Bytes); i++ {
		b := w.Bytes[i : i+len(shape)]
		if !token(b) {
			continue
		}
		s := scanner.Span{Start: i, End: i + len(shape), Severity: scanner.High, Confidence: 60}
		if checksum(b[4:18]) == int(b[19]-'0')*10+int(b[20]-'0') {
			s.Confidence = 99
		}
		found(s)
		i += len(shape) - 1
	}
}

func token(b []byte) bool {
	for i := range b {
		digit := b[i] >= '0' && b[i] <= '9'
		ok := b[i] == shape[i]
		switch shape[i] {
		case 'X':
			ok = digit || b[i] >= 'A' && b[i] <= 'Z'
		case '0':
			ok = digit
		}
		if !ok {
			return false
		}
	}
	return true
}

// checksum is the sum of the characters, each times its place, modulo 97.
func checksum(groups []byte) int {
	sum := 0
	for i, c := range groups {
		sum += (i + 1) * int(c)
	}
	return sum % 97
}

package scanner

import (
	"bytes"
	"errors"
	"testing"
)

// TestGuest plays the host: buffers, configuration, a window, spans as bytes.
func TestGuest(t *testing.T) {
	defer func() { scanFunc, configFunc = nil, nil }()
	abi()
	if r := bufs(4096, 64); r == 0 || len(input) != 4096 || len(output) != 64 {
		t.Fatalf("bufs: %x, %d and %d bytes", r, len(input), len(output))
	}
	if r := configure(2); r != 0 {
		t.Errorf("a scanner without configuration: %d", r)
	}
	if r := scan(0, 0); r != errNoScanner {
		t.Errorf("no scanner: %d", r)
	}
	Configure(func(config []byte) error {
		if string(config) != "{}" {
			return errors.New("not what was sent")
		}
		return nil
	})
	copy(input, "{}{")
	if a, b := configure(2), configure(3); a != 0 || b != errConfig {
		t.Errorf("configuration: %d and %d", a, b)
	}
	var seen Window
	Serve(func(w Window, found func(Span)) {
		seen = w
		for i := range w.Bytes {
			found(Span{Start: i, End: i + 3, Rule: 0x102, Severity: Critical, Confidence: 77, Open: i == 1})
		}
	})
	copy(input, "abcdefgh")
	if n := scan(2, 7<<8|4|2); n != 2 || string(seen.Bytes) != "ab" || seen.Rule != 7 || seen.Begin || !seen.End || cap(seen.Bytes) != 2 {
		t.Errorf("%d spans, window %+v", n, seen)
	}
	want := []byte{0, 0, 0, 0, 3, 0, 0, 0, 2, 1, 4, 77, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2, 1, 4, 77, 1, 0, 0, 0}
	if !bytes.Equal(output[:32], want) {
		t.Errorf("spans % x\nwant  % x", output[:32], want)
	}
	if n := scan(4, 1); n != 4 || !seen.Begin || seen.End {
		t.Errorf("as many spans as fit: %d, %+v", n, seen)
	}
	if n := scan(5, 0); n != errTooMany {
		t.Errorf("one more than fits: %d", n)
	}
}

// TestFiles: what `ov scanner new` copies is there.
func TestFiles(t *testing.T) {
	for _, name := range []string{"scanner.go", "guest.go", "c/ov_scanner.h", "rust/ov_scanner.rs", "assemblyscript/ov.ts", "hello/scanner.toml"} {
		if b, err := Files.ReadFile(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

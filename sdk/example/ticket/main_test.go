package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/scanners/wasmhost/conform"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/sdk/scanner"
)

// TestScan: a scanner is a function, and is tested as one.
func TestScan(t *testing.T) {
	for in, want := range map[string][]scanner.Span{
		"nwt_7QX4-2M9D-KF3A-10":             {{Start: 0, End: 21, Severity: scanner.High, Confidence: 99}},
		" nwt_7QX4-2M9D-KF3A-11.":           {{Start: 1, End: 22, Severity: scanner.High, Confidence: 60}},
		"nwt_7QX4-2M9D-KF3A-1":              nil,
		"nwt_7qX4-2M9D-KF3A-10":             nil,
		"nwt_7QX4_2M9D-KF3A-10":             nil,
		"nwt_7QX4-2M9D-KF3A-1A":             nil,
		"":                                  nil,
		strings.Repeat("nwt_AAAA-BBBB-", 9): nil,
	} {
		var got []scanner.Span
		scan(scanner.Window{Bytes: []byte(in)}, func(s scanner.Span) { got = append(got, s) })
		if len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

// TestModule builds the module, as an author would, and runs the conformance kit.
func TestModule(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ticket.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s", "-o", path, ".")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if wasm, err = manifest.PackFile(wasm, "scanner.toml"); err != nil {
		t.Fatal(err)
	}
	r := conform.Run(wasm, conform.Options{Windows: 500})
	var table strings.Builder
	r.Print(&table)
	t.Logf("\n%s", &table)
	if !r.Passed() {
		t.Error("a check failed")
	}
}

package core

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramsAreContained: what holds values says nothing of them when it fails.
func TestProgramsAreContained(t *testing.T) {
	all, err := filepath.Glob("../cmd/*/main.go")
	if err != nil || len(all) < 5 {
		t.Fatalf("%d programs, %v", len(all), err)
	}
	for _, path := range all {
		program := filepath.Base(filepath.Dir(path))
		if program == "ov-provider" || program == "ov-server" {
			continue // no value of a vault is ever in them, and they link nothing of core's
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\tcrash.Contain(") || !strings.Contains(string(text), "\tdefer crash.Exit()") {
			t.Errorf("the main of %s does not begin with crash.Contain and crash.Exit", program)
		}
	}
}

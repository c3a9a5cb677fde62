package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestElsewhere: what other programs call a thing leads to a command that there is.
func TestElsewhere(t *testing.T) {
	c := &cli{}
	root := c.root(nil)
	for _, word := range []string{"exec", "ls", "rm", "add", "new", "edit", "mv", "login", "logout", "logs", "setup", "check", "filter", "use", "sh"} {
		found := meant(root, word)
		if len(found) != 1 || !strings.HasPrefix(found[0], `"ov `) {
			t.Errorf("%q: %v", word, found)
			continue
		}
		args := strings.Fields(strings.Trim(found[0], `"`))[1:]
		if cmd, rest, err := root.Find(args); err != nil || len(rest) != 0 || cmd == root {
			t.Errorf("%q leads to %v, which is no command", word, found)
		}
	}
	if found := meant(root, "frobnicate"); len(found) != 0 {
		t.Errorf("frobnicate: %v", found)
	}
}

func TestWellFormed(t *testing.T) {
	for in, want := range map[string]string{"api-key": "api_key", "my.key": "my_key", "a b": "a_b", "1A": "_1A", "A": "", "": "", "€": "", "x:y": "x_y", "-": "_"} {
		if got := wellFormed(in); got != want {
			t.Errorf("wellFormed(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFolderTrouble(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, fit := range []string{dir, filepath.Join(dir, "a", "b")} {
		if says, fix := folderTrouble(fit); says != "" || fix != "" {
			t.Errorf("%s: %s; %s", fit, says, fix)
		}
	}
	// Nothing can be written to /proc, and it has no room.
	for _, bad := range []string{filepath.Join(file, "x"), "/proc", "/proc/nonesuch/.ov"} {
		if says, fix := folderTrouble(bad); says == "" || fix == "" {
			t.Errorf("%s: nothing is said", bad)
		}
	}
}

// TestManual: each command has a page with its flags, and nothing in it that
// troff would take for a request.
func TestManual(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	c, dir := &cli{}, t.TempDir()
	root := c.root(nil)
	root.SetArgs([]string{"man", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	known := []string{"TH", "SH", "B", "BR", "TP", "PP", "RS", "RE", "nf", "fi"}
	pages := 0
	var each func(*cobra.Command)
	each = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if !sub.Hidden && sub.IsAvailableCommand() {
				each(sub)
			}
		}
		pages++
		b, err := os.ReadFile(filepath.Join(dir, pageName(cmd)+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		text := string(b)
		for _, want := range []string{"2023-11-14", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", `\-\-password\-stdin`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", cmd.CommandPath(), want)
			}
		}
		for line := range strings.SplitSeq(text, "\n") {
			if request, ok := strings.CutPrefix(line, "."); ok {
				name, _, _ := strings.Cut(request, " ")
				if !slices.Contains(known, name) {
					t.Errorf("%s: %q is no request of ours", cmd.CommandPath(), line)
				}
			}
			if strings.HasPrefix(line, "'") || strings.Contains(line, "\t") {
				t.Errorf("%s: %q", cmd.CommandPath(), line)
			}
		}
	}
	each(root)
	if pages < 60 {
		t.Errorf("%d pages", pages)
	}
	top, err := os.ReadFile(filepath.Join(dir, "ov.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".SH EXIT CODES\n", ".SH VARIABLES THAT OV READS\n", ".SH FILES THAT OV READS AND WRITES\n", ".BR ov\\-secret (1)"} {
		if !strings.Contains(string(top), want) {
			t.Errorf("ov(1) lacks %q", want)
		}
	}
	if got := released(); !got.Equal(time.Unix(1700000000, 0)) {
		t.Error(got)
	}
}

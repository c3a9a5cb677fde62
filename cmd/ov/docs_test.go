package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// The guides show commands in two ways. A block that is fenced as `console` is a
// session: it is run, in a world of its own a guide, and must print what it
// shows. Any other line of code that begins with ov must be a command that
// there is, with flags that it has.

// guides returns every page of documentation.
func guides(t *testing.T) []string {
	t.Helper()
	pages := []string{"../../README.md"}
	err := filepath.WalkDir("../../docs", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil || len(pages) < 10 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	return pages
}

// A step is a command of a session and what it prints.
type step struct {
	line          int
	command, want string
	status        int
}

var exitsWith = regexp.MustCompile(`\s+# exits (\d+)$`)

// session reads the console blocks of a page.
func session(text string) []step {
	var steps []step
	inside := false
	for n, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "```") {
			inside = line == "```console"
			continue
		}
		if !inside {
			continue
		}
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			s := step{line: n + 1, command: command}
			if m := exitsWith.FindStringSubmatch(command); m != nil {
				s.command = strings.TrimSuffix(command, m[0])
				s.status, _ = strconv.Atoi(m[1])
			}
			steps = append(steps, s)
			continue
		}
		if len(steps) == 0 {
			continue
		}
		last := &steps[len(steps)-1]
		if more, ok := strings.CutPrefix(line, "> "); ok && last.want == "" {
			last.command += "\n" + more
			continue
		}
		last.want += line + "\n"
	}
	return steps
}

// TestSessions runs what the guides show.
func TestSessions(t *testing.T) {
	ran := 0
	for _, page := range guides(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		steps := session(string(text))
		if len(steps) == 0 {
			continue
		}
		ran += len(steps)
		t.Run(filepath.Base(page), func(t *testing.T) {
			t.Parallel()
			runSession(t, steps)
		})
	}
	if ran < 20 {
		t.Errorf("the guides show %d commands: the blocks are not found", ran)
	}
}

// runSession runs the steps in one shell, so that cd and variables last.
func runSession(t *testing.T, steps []step) {
	w := newWorld(t, t.TempDir())
	t.Cleanup(func() { w.leave(t) })
	script := "exec 2>&1\n"
	if slices.ContainsFunc(steps, func(s step) bool { return strings.Contains(s.command, "$SERVER") }) {
		dir := filepath.Dir(w.env["OV_PROGRAM"])
		s := &serverProc{program: filepath.Join(dir, "ov-server"), data: filepath.Join(w.work, "server"), log: filepath.Join(w.work, "server.log")}
		t.Cleanup(s.stop)
		if err := s.start(); err != nil {
			t.Fatal(err)
		}
		script += "SERVER=http://" + s.address + "\n"
	}
	for _, s := range steps {
		script += s.command + "\nstatus=$?; echo; echo \"<<<$status>>>\"\n"
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = w.work
	cmd.Env = append(w.environ(), "PATH="+filepath.Dir(w.env["OV_PROGRAM"])+":"+os.Getenv("PATH"), "TERM=dumb", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := regexp.MustCompile(`(?s)(.*?)\n?<<<(\d+)>>>\n`).FindAllStringSubmatch(string(out), -1)
	for i, s := range steps {
		if i >= len(got) {
			t.Fatalf("line %d: %s: the shell ended before it\n%s", s.line, s.command, out)
		}
		printed := strings.TrimSuffix(got[i][1], "\n")
		if status := fmt.Sprint(s.status); got[i][2] != status {
			t.Errorf("line %d: %s: exits %s, want %s\n%s", s.line, s.command, got[i][2], status, printed)
		}
		if want := strings.TrimRight(s.want, "\n"); !shows(want, strings.TrimRight(printed, "\n")) {
			t.Errorf("line %d: %s prints\n%s\nthe guide shows\n%s", s.line, s.command, printed, want)
		}
	}
}

// shows compares what is printed with what a guide shows: there, ... on a line
// of its own is any number of lines, and within a line any text.
func shows(want, got string) bool {
	return showsLines(strings.Split(want, "\n"), strings.Split(got, "\n"))
}

func showsLines(want, got []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == "...":
		return showsLines(want[1:], got) || len(got) > 0 && showsLines(want, got[1:])
	}
	return len(got) > 0 && line(want[0]).MatchString(got[0]) && showsLines(want[1:], got[1:])
}

// line is the pattern of one line; columns may be wider than the guide's.
func line(want string) *regexp.Regexp {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, `.*`)
	return regexp.MustCompile(`^` + regexp.MustCompile(` +`).ReplaceAllString(pattern, ` +`) + `$`)
}

func TestShows(t *testing.T) {
	for _, c := range []struct {
		want, got string
		ok        bool
	}{
		{"a\nb", "a\nb", true}, {"a\nb", "a\nc", false}, {"a\n...\nd", "a\nb\nc\nd", true}, {"a\n...", "a\nb\nc", true},
		{"took ... s", "took 1.2 s", true}, {"took ... s", "took\n s", false}, {"NAME  X", "NAME      X", true}, {"", "x", false}, {"a.c", "abc", false},
	} {
		if got := shows(c.want, c.got); got != c.ok {
			t.Errorf("%q for %q: %v", c.want, c.got, got)
		}
	}
}

// commandLine finds the ov commands in a page's code.
var commandLine = regexp.MustCompile(`^(?: {4,}|\t)?(?:\$ |\d+\. )?(?:[A-Z_]+=\S+ )*(?:[^#|]*\| )?ov ([a-z].*)$`)

// TestCommands: every command that a guide shows is one, with flags that it has.
func TestCommands(t *testing.T) {
	seen := 0
	for _, page := range guides(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		fenced := false
		for n, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(line, "```") {
				fenced = !fenced
			}
			if !fenced && !strings.HasPrefix(line, "    ") {
				continue
			}
			m := commandLine.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			seen++
			if err := parses(words(m[1])); err != nil {
				t.Errorf("%s:%d: ov %s: %v", page, n+1, m[1], err)
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d commands were found: the search looks in the wrong place", seen)
	}
}

// parses finds the command and reads its flags, and does nothing.
func parses(args []string) error {
	c := &cli{}
	cmd, rest, err := c.root(args).Find(args)
	if err != nil {
		return err
	}
	if cmd.DisableFlagParsing { // another program's
		return nil
	}
	if err := readFlags(cmd, rest); err != nil {
		return err
	}
	if cmd.HasSubCommands() && cmd.Parent() != nil { // what is left is a verb that it lacks, or its own
		return cmd.ValidateArgs(cmd.Flags().Args())
	}
	return nil
}

func readFlags(cmd *cobra.Command, rest []string) error {
	cmd.SetOut(new(bytes.Buffer))
	cmd.SetErr(new(bytes.Buffer))
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return nil
}

// words splits a line as a shell would, as far as guides need it: it ends at a
// comment, a pipe, a redirection, or the next command; [optional] parts count.
func words(line string) []string {
	var out []string
	var now strings.Builder
	quote, started := byte(0), false
	end := func() {
		if started {
			out = append(out, now.String())
		}
		now.Reset()
		started = false
	}
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case quote != 0:
			if b == quote {
				quote = 0
			} else {
				now.WriteByte(b)
			}
		case b == '\'' || b == '"':
			quote, started = b, true
		case b == ' ':
			end()
		case b == '#' && !started, b == '|' && !started, b == ';', b == '>' || b == '<', b == '&', b == ')', b == '`':
			end()
			return out
		case b == '[' || b == ']', b == '\\' && i == len(line)-1:
		default:
			now.WriteByte(b)
			started = true
		}
	}
	end()
	return out
}

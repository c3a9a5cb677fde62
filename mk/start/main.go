// Command start measures what it takes to start a command with 50 variables, by
// ov and by other tools, by turns in one run, and writes the table of
// docs/performance.md. usage: start OV-FOLDER TOOLS-FOLDER PAGE.md ROUNDS
package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const begin, finish = "<!-- make bench-start writes from here -->\n", "<!-- to here, start -->\n"

// A tool is one way to give a command its variables.
type tool struct {
	name, rest string   // what is run; how the values lie on disk
	argv       []string // what stands before the command
	env        []string
	command    []string // true, unless it says otherwise
	masks      bool
	took       []time.Duration
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "start:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: start OV-FOLDER TOOLS-FOLDER PAGE.md ROUNDS")
	}
	rounds, err := strconv.Atoi(args[3])
	if err != nil || rounds < 1 {
		return fmt.Errorf("rounds %q: want a number", args[3])
	}
	bin, err := filepath.Abs(args[0])
	if err != nil {
		return err
	}
	peers, err := filepath.Abs(args[1])
	if err != nil {
		return err
	}
	w, err := newWorld(bin, peers)
	if err != nil {
		return err
	}
	defer w.leave()
	tools, err := w.tools()
	if err != nil {
		return err
	}
	for i := range rounds + 2 { // two to warm up
		for _, t := range tools {
			start := time.Now()
			if err := w.run(t, t.command...); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			if i >= 2 {
				t.took = append(t.took, time.Since(start))
			}
		}
	}
	return write(args[2], table(tools, rounds))
}

// run starts a command the way of t; what it prints is lost.
func (w *world) run(t *tool, command ...string) error {
	line := append(slices.Clone(t.argv), command...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env = w.dir, append(w.environ(), t.env...)
	return cmd.Run()
}

// usable keeps the tools that are there and give a command all its variables.
func (w *world) usable(all []*tool) []*tool {
	const whole = `test -n "$S01" && test -n "$S50"`
	return slices.DeleteFunc(all, func(t *tool) bool {
		if t.argv == nil {
			return false
		}
		err := w.run(t, "sh", "-c", whole)
		if err != nil {
			fmt.Fprintf(os.Stderr, "start: %s is left out: %v\n", t.name, err)
		}
		return err != nil
	})
}

func table(tools []*tool, rounds int) string {
	var ov time.Duration
	for _, t := range tools {
		slices.Sort(t.took)
		if t.masks && ov == 0 {
			ov = t.median()
		}
	}
	slices.SortStableFunc(tools, func(a, b *tool) int { return cmp.Compare(a.median(), b.median()) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s, %d processors%s, %d rounds by turns, 50 values of 40 characters.\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), load(), rounds)
	b.WriteString("| command | values on disk | output masked | median | fastest | of `ov run` |\n|---|---|---|---|---|---|\n")
	for _, t := range tools {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %.1f ms | %.1f ms | %.2f |\n", t.name, t.rest, map[bool]string{true: "yes", false: "no"}[t.masks],
			ms(t.median()), ms(t.took[0]), float64(t.median())/float64(ov))
	}
	return b.String()
}

// load says how busy the machine is with other work, when that spoils figures.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	n, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
	if err != nil || n < float64(runtime.NumCPU()) {
		return ""
	}
	return fmt.Sprintf(" (loaded: %.0f processes at once; compare, do not quote)", n)
}

func (t *tool) median() time.Duration { return t.took[len(t.took)/2] }

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// write puts text between the marks of the page, and prints it.
func write(page, text string) error {
	fmt.Print(text)
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, finish)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table", page)
	}
	return os.WriteFile(page, []byte(before+begin+"\n"+text+"\n"+finish+after), 0o644)
}

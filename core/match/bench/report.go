package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
)

// A report is the table as it grows.
type report struct {
	out   io.Writer
	rows  []string
	notes []string
}

// row adds a line: the target's number, what was measured, the figure and the
// target. A figure without a target is there to compare with.
func (r *report) row(number, what, figure, target string, met bool) {
	state := ""
	if target != "" {
		state = "yes"
		if !met {
			state = "**no**"
		}
	}
	line := fmt.Sprintf("| %s | %s | %s | %s | %s |", number, what, figure, target, state)
	r.rows = append(r.rows, line)
	fmt.Fprintln(r.out, line)
}

// atLeast adds a rate with a lower bound.
func (r *report) atLeast(number, what string, rate, bound float64) {
	r.row(number, what, fmt.Sprintf("%.0f MB/s", rate), fmt.Sprintf(">= %.0f", bound), rate >= bound)
}

// beside adds a rate to compare with.
func (r *report) beside(what string, rate float64) {
	r.row("", what, fmt.Sprintf("%.0f MB/s", rate), "", true)
}

// ratio adds how often one rate goes into another.
func (r *report) ratio(number, what string, ours, theirs, bound float64) {
	r.row(number, what, fmt.Sprintf("%.2f x", ours/theirs), fmt.Sprintf(">= %.2f x", bound), ours/theirs >= bound)
}

// atMost adds a figure with an upper bound.
func (r *report) atMost(number, what string, figure, bound float64, unit string) {
	r.row(number, what, fmt.Sprintf("%.4g %s", figure, unit), fmt.Sprintf("<= %.4g", bound), figure <= bound)
}

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
	fmt.Fprintf(r.out, "(%s)\n", r.notes[len(r.notes)-1])
}

// table returns the report in Markdown.
func (r *report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s/%s, %d processors. MB per second of processor time, median of five.\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	b.WriteString("| target | what | figure | wanted | met |\n|---|---|---|---|---|\n")
	b.WriteString(strings.Join(r.rows, "\n") + "\n")
	for _, n := range r.notes {
		b.WriteString("\n" + n + ".\n")
	}
	return b.String()
}

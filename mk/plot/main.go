// Command plot draws the table of docs/performance.md: throughput over the
// number of secrets, beside the references. usage: plot PAGE.md OUT.svg
package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// A bar is a row of the table: MB per second of processor time.
type bar struct {
	label  string
	rate   float64
	wanted float64 // 0: no target
}

// row reads "| target | what | figure MB/s | >= wanted | met |".
var row = regexp.MustCompile(`^\| [^|]*\| ([^|]+) \| ([0-9,]+) MB/s \|(?: >= ([0-9,]+) \|)?`)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "plot:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: plot PAGE.md OUT.svg")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	bars := read(string(text))
	if len(bars) == 0 {
		return fmt.Errorf("%s holds no rows with MB/s", args[0])
	}
	out, err := os.Create(args[1])
	if err != nil {
		return err
	}
	draw(out, bars)
	return out.Close()
}

func read(text string) []bar {
	var bars []bar
	for line := range strings.SplitSeq(text, "\n") {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		bars = append(bars, bar{strings.TrimSpace(m[1]), number(m[2]), number(m[3])})
	}
	return bars
}

func number(s string) float64 {
	n, err := strconv.ParseFloat(strings.ReplaceAll(s, ",", ""), 64)
	if err != nil {
		return 0
	}
	return n
}

// Sizes in pixels.
const (
	left   = 470
	across = 420
	line   = 22
	top    = 60
)

// draw puts a bar a row on a logarithmic scale; a tick on it is the target.
func draw(w io.Writer, bars []bar) {
	high := 1.0
	for _, b := range bars {
		high = max(high, b.rate, b.wanted)
	}
	at := func(rate float64) float64 { return across * math.Log10(max(rate, 1)) / math.Log10(high) }
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		left+across+110, top+len(bars)*line+20)
	fmt.Fprintln(w, `<rect width="100%" height="100%" fill="#ffffff"/>`)
	fmt.Fprintln(w, `<text x="16" y="26" font-size="16" font-weight="bold" fill="#1f2328">MB per second of processor time (logarithmic); the tick is the target</text>`)
	for rate := 1.0; rate <= high; rate *= 10 {
		x := left + at(rate)
		fmt.Fprintf(w, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#d1d9e0"/><text x="%.1f" y="%d" text-anchor="middle" fill="#59636e" font-size="11">%.0f</text>`+"\n",
			x, x, top-8, top+len(bars)*line, x, top-12, rate)
	}
	for i, b := range bars {
		y := top + i*line
		colour := "#0969da"
		if b.wanted > 0 && b.rate < b.wanted {
			colour = "#bc4c00"
		}
		if strings.Contains(b.label, ":") || strings.HasPrefix(b.label, "copy") || strings.HasPrefix(b.label, "bytes.") {
			colour = "#8c959f" // a reference
		}
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end" fill="#1f2328">%s</text>`+"\n", left-10, y+15, escape(b.label))
		fmt.Fprintf(w, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y+4, at(b.rate), line-8, colour)
		if b.wanted > 0 {
			x := left + at(b.wanted)
			fmt.Fprintf(w, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#1f2328" stroke-width="2"/>`+"\n", x, x, y+1, y+line-1)
		}
		fmt.Fprintf(w, `<text x="%.1f" y="%d" fill="#1f2328">%.0f</text>`+"\n", left+max(at(b.rate), at(b.wanted))+8, y+15, b.rate)
	}
	fmt.Fprintln(w, "</svg>")
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// Command plot draws the tables of docs/performance.md: throughput over the
// number of secrets, beside the references, or how long commands take to start
// by ov and by others. usage: plot throughput|start PAGE.md OUT.svg
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

// A bar is a row of a table, and the tick on it.
type bar struct {
	label  string
	rate   float64 // MB per second of processor time, or the median in ms
	tick   float64 // the target, or the fastest start; 0: none
	colour string
}

// A chart is what is drawn of a table.
type chart struct {
	title  string
	low    float64 // where the scale begins
	digits int     // behind the point
	read   func(string) []bar
}

const (
	ours, missed, others = "#0969da", "#bc4c00", "#8c959f"
)

func charts() map[string]chart {
	return map[string]chart{
		"throughput": {"MB per second of processor time (logarithmic); the tick is the target", 1, 0, throughput},
		"start":      {"Milliseconds to start a command with 50 variables (logarithmic): median; the tick is the fastest", 0.1, 1, starts},
	}
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
	if len(args) != 3 || charts()[args[0]].read == nil {
		return fmt.Errorf("usage: plot throughput|start PAGE.md OUT.svg")
	}
	c := charts()[args[0]]
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	bars := c.read(string(text))
	if len(bars) == 0 {
		return fmt.Errorf("%s holds no rows of %s", args[1], args[0])
	}
	out, err := os.Create(args[2])
	if err != nil {
		return err
	}
	c.draw(out, bars)
	return out.Close()
}

func throughput(text string) []bar {
	var bars []bar
	for line := range strings.SplitSeq(text, "\n") {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		b := bar{strings.TrimSpace(m[1]), number(m[2]), number(m[3]), ours}
		if b.tick > 0 && b.rate < b.tick {
			b.colour = missed
		}
		if strings.Contains(b.label, ":") || strings.HasPrefix(b.label, "copy") || strings.HasPrefix(b.label, "bytes.") {
			b.colour = others // a reference
		}
		bars = append(bars, b)
	}
	return bars
}

// started reads "| `command` | where | masked | median ms | fastest ms | ratio |".
var started = regexp.MustCompile("^\\| `([^`]+)` \\| [^|]* \\| (yes|no) \\| ([0-9.]+) ms \\| ([0-9.]+) ms \\|")

func starts(text string) []bar {
	var bars []bar
	for line := range strings.SplitSeq(text, "\n") {
		m := started.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		b := bar{m[1], number(m[3]), number(m[4]), others}
		if m[2] == "yes" {
			b.label, b.colour = b.label+" (masks what comes back)", ours
		}
		bars = append(bars, b)
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
func (c chart) draw(w io.Writer, bars []bar) {
	high := c.low * 10
	for _, b := range bars {
		high = max(high, b.rate, b.tick)
	}
	at := func(rate float64) float64 {
		return across * math.Log10(max(rate, c.low)/c.low) / math.Log10(high/c.low)
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13">`+"\n",
		left+across+110, top+len(bars)*line+20)
	fmt.Fprintln(w, `<rect width="100%" height="100%" fill="#ffffff"/>`)
	fmt.Fprintln(w, `<text x="16" y="26" font-size="16" font-weight="bold" fill="#1f2328">`+c.title+`</text>`)
	for rate := c.low; rate <= high; rate *= 10 {
		x := left + at(rate)
		fmt.Fprintf(w, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#d1d9e0"/><text x="%.1f" y="%d" text-anchor="middle" fill="#59636e" font-size="11">%g</text>`+"\n",
			x, x, top-8, top+len(bars)*line, x, top-12, rate)
	}
	for i, b := range bars {
		y := top + i*line
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end" fill="#1f2328">%s</text>`+"\n", left-10, y+15, escape(b.label))
		fmt.Fprintf(w, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y+4, at(b.rate), line-8, b.colour)
		if b.tick > 0 {
			x := left + at(b.tick)
			fmt.Fprintf(w, `<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#1f2328" stroke-width="2"/>`+"\n", x, x, y+1, y+line-1)
		}
		fmt.Fprintf(w, `<text x="%.1f" y="%d" fill="#1f2328">%.*f</text>`+"\n", left+max(at(b.rate), at(b.tick))+8, y+15, c.digits, b.rate)
	}
	fmt.Fprintln(w, "</svg>")
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// Command picture draws what a terminal shows, as an SVG: standard input is the
// output of a real session, with its colours (ECMA-48 SGR) and nothing that
// moves the cursor but carriage returns.
package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"os"
	"strconv"
	"strings"
)

// Sizes in pixels.
const (
	advance = 8.4 // of one column of the font at 14 px
	height  = 19
	margin  = 16
	columns = 110
)

// style is what SGR codes have set.
type style struct {
	colour string
	bold   bool
	dim    bool
}

// A run is text of one style.
type run struct {
	style
	text string
}

func main() {
	if err := draw(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "picture:", err)
		os.Exit(1)
	}
}

func draw(r io.Reader, w io.Writer) error {
	var lines [][]run
	var now style
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var line []run
		text := strings.TrimRight(in.Text(), "\r")
		line, now = parse(text[strings.LastIndexByte(text, '\r')+1:], now) // what was before is overwritten
		lines = append(lines, wrap(line)...)
	}
	if err := in.Err(); err != nil {
		return err
	}
	wide := 0
	for _, l := range lines {
		wide = max(wide, width(l))
	}
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%d" font-family="ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">`+"\n",
		float64(wide)*advance+2*margin, len(lines)*height+2*margin)
	fmt.Fprintln(w, `<rect width="100%" height="100%" rx="8" fill="#16181d"/>`)
	for i, l := range lines {
		x, y := float64(margin), margin+(i+1)*height-5
		for _, r := range l {
			n := len([]rune(r.text))
			if strings.TrimSpace(r.text) != "" {
				fmt.Fprintf(w, `<text x="%.1f" y="%d" xml:space="preserve" textLength="%.1f" fill="%s"%s>%s</text>`+"\n",
					x, y, float64(n)*advance, r.fill(), r.weight(), html.EscapeString(r.text))
			}
			x += float64(n) * advance
		}
	}
	_, err := fmt.Fprintln(w, "</svg>")
	return err
}

func width(line []run) int {
	n := 0
	for _, r := range line {
		n += len([]rune(r.text))
	}
	return n
}

func (s style) fill() string {
	switch {
	case s.colour != "":
		return s.colour
	case s.dim:
		return "#7d8590"
	}
	return "#d7dae0"
}

func (s style) weight() string {
	if s.bold {
		return ` font-weight="bold"`
	}
	return ""
}

// parse cuts a line at its SGR codes; other escape sequences are dropped. The
// marks of masking are drawn in a colour of their own.
func parse(line string, s style) ([]run, style) {
	var out []run
	add := func(text string) {
		for text != "" {
			at := strings.Index(text, "[REDACTED:")
			end := -1
			if at >= 0 {
				end = strings.IndexByte(text[at:], ']')
			}
			if end < 0 {
				out = append(out, run{s, text})
				return
			}
			if at > 0 {
				out = append(out, run{s, text[:at]})
			}
			out = append(out, run{style{colour: "#f0883e", bold: s.bold}, text[at : at+end+1]})
			text = text[at+end+1:]
		}
	}
	for {
		at := strings.IndexByte(line, 0x1b)
		if at < 0 {
			add(line)
			return out, s
		}
		add(line[:at])
		line = line[at+1:]
		if !strings.HasPrefix(line, "[") { // ESC ( B, ESC =
			n := 1
			if strings.HasPrefix(line, "(") {
				n = 2
			}
			line = line[min(n, len(line)):]
			continue
		}
		end := strings.IndexFunc(line[1:], func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			return out, s
		}
		if line[1+end] == 'm' {
			s = s.with(line[1 : 1+end])
		}
		line = line[2+end:]
	}
}

// with applies the codes of one SGR sequence.
func (s style) with(codes string) style {
	colours := []string{"#3b4048", "#ff7b72", "#7ee787", "#e3b341", "#79c0ff", "#d2a8ff", "#76e3ea", "#d7dae0"}
	for code := range strings.SplitSeq(codes, ";") {
		n, _ := strconv.Atoi(code)
		switch {
		case n == 0:
			s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.dim = true
		case n == 22:
			s.bold, s.dim = false, false
		case n >= 30 && n <= 37:
			s.colour = colours[n-30]
		case n >= 90 && n <= 97:
			s.colour = colours[n-90]
		case n == 39:
			s.colour = ""
		}
	}
	return s
}

// wrap breaks a line that is wider than the terminal.
func wrap(line []run) [][]run {
	out := [][]run{nil}
	n := 0
	for _, r := range line {
		text := []rune(r.text)
		for len(text) > 0 {
			k := min(len(text), columns-n)
			out[len(out)-1] = append(out[len(out)-1], run{r.style, string(text[:k])})
			text = text[k:]
			if n += k; n == columns && len(text) > 0 {
				out, n = append(out, nil), 0
			}
		}
	}
	return out
}

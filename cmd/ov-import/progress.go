package main

import (
	"fmt"
	"io"
	"strings"
)

// A bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	w     io.Writer // nil: nobody looks
	verb  string
	n, of int
	shown int // cells, so that it is drawn only when it changes
}

const barCells = 30

func (c *cli) progress(verb string, of int) *bar {
	b := &bar{verb: verb, of: of, shown: -1}
	if isTerminal(c.err) {
		b.w = c.err
	}
	return b
}

func (b *bar) step() { b.add(1) }

func (b *bar) add(n int) {
	b.n += n
	cells := barCells
	if b.of > 0 {
		cells = barCells * b.n / b.of
	}
	if b.w == nil || cells == b.shown {
		return
	}
	b.shown = cells
	fmt.Fprintf(b.w, "\rov: %s [%s%s] %d of %d", b.verb, strings.Repeat("=", cells), strings.Repeat(" ", barCells-cells), b.n, b.of)
}

// end removes the bar.
func (b *bar) end() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}

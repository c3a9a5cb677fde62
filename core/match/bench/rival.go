package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
)

// copying is the least that anything can do: move each block once.
func copying(text []byte) func() {
	buf := make([]byte, block)
	return func() { blocks(text, func(p []byte) { copy(buf, p) }) }
}

// indexing looks for a byte that is not there.
func indexing(text []byte) func() {
	return func() {
		blocks(text, func(p []byte) {
			if bytes.IndexByte(p, 0) >= 0 {
				panic("the text holds a zero")
			}
		})
	}
}

// replacing masks line by line with strings.Replacer, as several CI runners do.
func replacing(values []string, text []byte) func() {
	pairs := make([]string, 0, 2*len(values))
	for _, v := range values {
		pairs = append(pairs, v, "[REDACTED]")
	}
	r := strings.NewReplacer(pairs...)
	return func() {
		n := 0
		for line := range bytes.Lines(text) {
			n += len(r.Replace(string(line)))
		}
		if n == 0 {
			panic("nothing came out")
		}
	}
}

// automaton finds the needles in each block with a well-known library. It masks
// nothing and misses what a cut divides.
func automaton(values []string, text []byte) func() {
	t := ahocorasick.NewTrieBuilder().AddStrings(values).Build()
	return func() { blocks(text, func(p []byte) { t.Match(p) }) }
}

// A hyperscan is the compiled C program beside which we run, or nothing.
type hyperscan struct{ program, dir string }

// newHyperscan compiles hyperscan.c; it answers nil, with the reason, if the
// compiler or the library is not installed.
func newHyperscan(dir string) (*hyperscan, error) {
	h := &hyperscan{filepath.Join(dir, "hyperscan"), dir}
	source, err := filepath.Abs("hyperscan/hyperscan.c")
	if err != nil {
		return nil, err
	}
	out, err := exec.Command("gcc", "-O2", "-o", h.program, source, "-lhs").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("compile hyperscan.c: %w: %s", err, bytes.TrimSpace(out))
	}
	return h, nil
}

// rate is megabytes a second of processor time, in streaming mode, without masking.
func (h *hyperscan) rate(values []string, text []byte) (float64, error) {
	list, input := filepath.Join(h.dir, "needles"), filepath.Join(h.dir, "input")
	f, err := os.Create(list)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	for _, v := range values {
		fmt.Fprintln(w, hex.EncodeToString([]byte(v)))
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	if err := f.Close(); err != nil {
		return 0, err
	}
	if err := os.WriteFile(input, text, 0o600); err != nil {
		return 0, err
	}
	out, err := exec.Command(h.program, list, input).Output()
	if err != nil {
		return 0, fmt.Errorf("run hyperscan: %w", err)
	}
	var rate float64
	if _, err := fmt.Sscan(string(out), &rate); err != nil {
		return 0, fmt.Errorf("read the figure of hyperscan %q: %w", out, err)
	}
	return rate, nil
}

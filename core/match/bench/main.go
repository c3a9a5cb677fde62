// Command bench measures the masking against the targets of docs/performance.md
// and beside other tools, and prints a table. Throughput is in megabytes a
// second of the process's processor time, so that other programs on the machine
// do not count; the ratios are of one run.
//
//	go run . [-size MiB] [-write FILE]
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	size := flag.Int("size", 64, "`MiB` of each input")
	write := flag.String("write", "", "replace the table in this `file`")
	flag.Parse()
	dir, err := os.MkdirTemp("", "bench")
	if err == nil {
		err = bench(*size<<20, dir, *write, os.Stdout)
		os.RemoveAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(size int, dir, write string, out io.Writer) error {
	r := &report{out: out}
	hs, err := newHyperscan(dir)
	if err != nil {
		r.note("Hyperscan is not measured: %v", err)
	}
	suite := &suite{report: r, size: size, dir: dir, hs: hs}
	if err := suite.run(); err != nil {
		return err
	}
	if write != "" {
		return rewrite(write, r.table())
	}
	return nil
}

// The table of a document stands between these lines.
const begin, finish = "<!-- make bench writes from here -->\n", "<!-- to here -->\n"

// rewrite replaces the table in a document.
func rewrite(path, table string) error {
	doc, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, finish)
	if !ok || !ok2 {
		return fmt.Errorf("rewrite %q: no place for the table", path)
	}
	return os.WriteFile(path, []byte(head+begin+"\n"+table+"\n"+finish+tail), 0o644)
}

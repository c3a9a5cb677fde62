package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
)

// A suite measures everything, an input at a time.
type suite struct {
	*report
	size  int
	dir   string
	hs    *hyperscan
	floor float64 // the slowest that was seen of sets of up to 1,000
	worst string
}

var exact = redact.Options{Lanes: redact.Exact}

func (s *suite) run() error {
	s.floor = math.Inf(1)
	for _, step := range []func() error{s.log, s.benign, s.floods, s.periods, s.costs, s.pipes} {
		if err := step(); err != nil {
			return err
		}
	}
	s.atLeast("7", "floor: the slowest of all above with up to 1,000 needles ("+s.worst+")", s.floor, 400)
	return nil
}

// masked is the rate of a set over a text, of which it keeps the slowest.
func (s *suite) masked(what string, values []string, text []byte) float64 {
	r := rate(len(text), mask(compile(values, exact), text))
	if len(values) <= 1000 && r < s.floor {
		s.floor, s.worst = r, what
	}
	return r
}

// log measures log text: 1 to 10,000 needles, the other lanes, the other tools.
func (s *suite) log() error {
	text := newInput(s.size, secrets(1000)).fill((*input).log)
	s.beside("copy of each block", rate(len(text), copying(text)))
	s.beside("bytes.IndexByte", rate(len(text), indexing(text)))
	s.atLeast("3", "log, 1 needle", s.masked("log, 1", secrets(1), text), 12000)
	s.beside("log, 10 needles", s.masked("log, 10", secrets(10), text))
	hundred := s.masked("log, 100", secrets(100), text)
	s.atLeast("1", "log, 100 needles", hundred, 7000)
	s.beside("log, 1,000 needles", s.masked("log, 1000", secrets(1000), text))
	s.atLeast("2", "log, 10,000 needles", s.masked("", secrets(10000), text), 3500)
	s.atLeast("8", "log, 20 needles of 8 bytes", s.masked("log, 20 short", short(20), text), 3000)

	replacer := rate(len(text), replacing(secrets(100), text))
	s.beside("log, 100: strings.Replacer, line by line", replacer)
	s.beside("log, 100: BobuSumisu/aho-corasick, finding only", rate(len(text), automaton(secrets(100), text)))
	s.ratio("1", "log, 100: of strings.Replacer, the best peer in Go that masks", hundred, replacer, 95)

	all := compile(secrets(20), redact.Options{})
	s.atLeast("11", "log, 20 secrets, all lanes", rate(len(text), mask(all, text)), 1500)
	patterns := compile(secrets(20), redact.Options{Scanners: builtin.All(), Level: scan.Precise})
	s.atLeast("11c", "log, 20 secrets, all lanes and precise patterns", rate(len(text), mask(patterns, text)), 800)
	calm := newInput(s.size, secrets(20)).fill((*input).calm)
	s.beside("the same without Authorization: and Bearer, behind which values are learned", rate(len(calm), mask(patterns, calm)))
	tokens := newInput(1<<20, nil).fill((*input).tokens)
	s.beside("1 MiB in which each line is a new token: 1,024 are learned, the others found by their rule", rate(len(tokens), mask(patterns, tokens)))
	s.atMost("12", "held back of text without a needle's prefix", float64(held(text)), 0, "bytes")
	return s.compare("log", text)
}

// compare sets 100 needles beside Hyperscan.
func (s *suite) compare(name string, text []byte) error {
	if s.hs == nil {
		return nil
	}
	theirs, err := s.hs.rate(secrets(100), text)
	if err != nil {
		return err
	}
	s.beside(name+", 100: Hyperscan, streaming, finding only", theirs)
	s.ratio("1", name+", 100: of Hyperscan", s.masked(name+", 100", secrets(100), text), theirs, 1.5)
	return nil
}

// benign measures inputs that mean no harm.
func (s *suite) benign() error {
	for _, c := range []struct {
		name  string
		print func(*input)
	}{{"JSON", (*input).json}, {"base64", (*input).base64}, {"binary", (*input).binary}} {
		text := newInput(s.size, secrets(1000)).fill(c.print)
		s.atLeast("1", c.name+", 100 needles", s.masked(c.name+", 100", secrets(100), text), 7000)
		s.atLeast("2", c.name+", 10,000 needles", s.masked("", secrets(10000), text), 2500)
		if err := s.compare(c.name, text); err != nil {
			return err
		}
	}
	return nil
}

// floods measures near-prefixes of the needles.
func (s *suite) floods() error {
	for _, c := range []struct {
		n      int
		target float64
	}{{100, 2500}, {1000, 1500}, {10000, 800}} {
		text := newInput(s.size, secrets(c.n)).fill((*input).flood)
		name := fmt.Sprintf("near-prefix flood, %d needles", c.n)
		s.atLeast("5", name, s.masked(name, secrets(c.n), text), c.target)
		if c.n == 100 && s.hs != nil {
			theirs, err := s.hs.rate(secrets(c.n), text)
			if err != nil {
				return err
			}
			s.beside(name+": Hyperscan", theirs)
		}
	}
	return nil
}

// periods measures one letter for ever, and the needles that mean it ill.
func (s *suite) periods() error {
	text := newInput(s.size, nil).fill((*input).letter)
	s.beside("one letter, 1 needle of it", s.masked("one letter, 1", periodic(1), text))
	s.atLeast("6", "one letter, 100 needles of it", s.masked("one letter, 100", periodic(100), text), 1200)
	s.beside("one letter, 1,000 needles of it", s.masked("one letter, 1000", periodic(1000), text))
	flood := newInput(s.size, periodic(100)).fill((*input).flood)
	s.beside("flood of 100 needles of one letter", s.masked("flood of one letter", periodic(100), flood))
	flood = newInput(s.size, short(20)).fill((*input).flood)
	s.beside("flood of 20 needles of 8 bytes", s.masked("flood of short ones", short(20), flood))
	return nil
}

// costs measures memory, builds and single lines.
func (s *suite) costs() error {
	for _, c := range []struct {
		n         int
		kib, msec float64
	}{{100, 128, 1}, {10000, 10240, 50}} {
		bytes, msec := cost(secrets(c.n))
		s.atMost("9", fmt.Sprintf("memory of %d needles", c.n), float64(bytes)/1024, c.kib, "KiB")
		s.atMost("9", fmt.Sprintf("build of %d needles", c.n), msec, c.msec, "ms")
	}
	for _, n := range []int{10, 10000} {
		ns, allocations := lines(compile(secrets(n), exact))
		s.atMost("10", fmt.Sprintf("a write of an 80-byte line, %d needles", n), ns, 100, "ns")
		s.atMost("10", fmt.Sprintf("allocations of it, %d needles", n), allocations, 0, "")
	}
	s.row("", "a value of 16 KiB, byte by byte, all lanes", fmt.Sprintf("%.0f ns a byte", tiny(16<<10)), "", true)
	fifty := needles(secrets(50))
	build := took(3, func() {
		if _, err := redact.Compile(fifty, redact.Options{}); err != nil {
			panic(err)
		}
	})
	s.atMost("11b", "build of 50 secrets, all lanes", build.Seconds()*1e3, 3, "ms")
	return nil
}

// pipes measures a program's output on its way through, beside a bare copy.
func (s *suite) pipes() error {
	text := newInput(2*s.size, secrets(1000)).fill((*input).log)
	path := filepath.Join(s.dir, "text")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return err
	}
	set := compile(secrets(100), exact)
	for _, c := range []struct {
		kib    int
		target float64
	}{{64, 0.90}, {1024, 0.75}} {
		plain, err := pass(path, len(text), c.kib<<10, bare)
		if err != nil {
			return err
		}
		ours, err := pass(path, len(text), c.kib<<10, masking(set))
		if err != nil {
			return err
		}
		s.beside(fmt.Sprintf("pipes of %d KiB: bare copy", c.kib), plain)
		s.ratio("4", fmt.Sprintf("pipes of %d KiB: 100 needles, of the bare copy", c.kib), ours, plain, c.target)
	}
	return nil
}

package main

import (
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/opaquevault/ov/core/match"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// block is the size of a write.
const block = 64 << 10

func compile(values []string, o redact.Options) *redact.Set {
	set, err := redact.Compile(needles(values), o)
	if err != nil {
		panic(fmt.Sprintf("compile %d needles: %v", len(values), err))
	}
	return set
}

func needles(values []string) []redact.Needle {
	all := make([]redact.Needle, len(values))
	for i, v := range values {
		all[i] = redact.Needle{Name: fmt.Sprintf("N%d", i), Value: secret.New([]byte(v))}
	}
	return all
}

// mask returns a function that masks text in blocks.
func mask(set *redact.Set, text []byte) func() {
	return func() {
		w := redact.NewWriter(io.Discard, set, nil)
		blocks(text, func(p []byte) {
			if _, err := w.Write(p); err != nil {
				panic(err)
			}
		})
		if err := w.Close(); err != nil {
			panic(err)
		}
	}
}

func blocks(text []byte, f func(p []byte)) {
	for len(text) > block {
		f(text[:block])
		text = text[block:]
	}
	f(text)
}

// cost returns the memory that a compiled set takes, and the time to build it.
func cost(values []string) (bytes uint64, perBuild float64) {
	all := make([]match.Needle, len(values))
	for i, v := range values {
		all[i] = match.Needle{Bytes: []byte(v)}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := match.Compile(all, false)
	if err != nil {
		panic(err)
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(set)
	build := took(3, func() {
		if _, err := match.Compile(all, false); err != nil {
			panic(err)
		}
	})
	return after.HeapAlloc - min(before.HeapAlloc, after.HeapAlloc), build.Seconds() * 1e3
}

// lines returns what a write of one line costs, in nanoseconds, and how often
// it allocates.
func lines(set *redact.Set) (ns, allocations float64) {
	line := []byte("2026-03-01T00:00:01.107000Z WARN auth: token refreshed for user=1542 ttl=3600 ok\n")[:80]
	w := redact.NewWriter(io.Discard, set, nil)
	write := func() {
		if _, err := w.Write(line); err != nil {
			panic(err)
		}
	}
	allocations = testing.AllocsPerRun(1000, write)
	return float64(took(20000, write).Nanoseconds()), allocations
}

// held returns the most bytes that are held back after a write of text in which
// no byte starts a needle.
func held(text []byte) int {
	w := redact.NewWriter(io.Discard, compile([]string{"\x01" + newSource(9).of(base62, 31)}, redact.Options{Lanes: redact.Exact}), nil)
	most := 0
	blocks(text, func(p []byte) {
		if _, err := w.Write(p); err != nil {
			panic(err)
		}
		most = max(most, w.Held())
	})
	return most
}

// tiny returns what a byte of a value of n bytes costs that comes in writes of
// one byte, in nanoseconds.
func tiny(n int) float64 {
	value := newSource(8).of(base62, n)
	set := compile([]string{value}, redact.Options{})
	return float64(took(1, func() {
		w := redact.NewWriter(io.Discard, set, nil)
		for i := range len(value) {
			if _, err := w.Write([]byte(value[i : i+1])); err != nil {
				panic(err)
			}
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
	}).Nanoseconds()) / float64(n)
}

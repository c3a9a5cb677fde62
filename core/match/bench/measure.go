package main

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// cpu is the processor time that the process, or its children, has taken.
func cpu(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(fmt.Sprintf("read the processor time: %v", err))
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rate runs f, which handles n bytes, and returns megabytes a second of
// processor time: the median of five runs of at least a quarter of a second.
func rate(n int, f func()) float64 {
	f() // once for the caches
	rates := make([]float64, 5)
	for i := range rates {
		done := 0
		start := cpu(syscall.RUSAGE_SELF)
		for took := time.Duration(0); took < slice; took = cpu(syscall.RUSAGE_SELF) - start {
			f()
			done += n
		}
		rates[i] = float64(done) / 1e6 / (cpu(syscall.RUSAGE_SELF) - start).Seconds()
	}
	slices.Sort(rates)
	return rates[2]
}

// slice is the least processor time of a run.
const slice = 250 * time.Millisecond

// took returns the processor time of one f: the least of nine batches.
func took(batch int, f func()) time.Duration {
	best := time.Duration(1 << 62)
	for range 9 {
		start := cpu(syscall.RUSAGE_SELF)
		for range batch {
			f()
		}
		best = min(best, (cpu(syscall.RUSAGE_SELF)-start)/time.Duration(batch))
	}
	return best
}

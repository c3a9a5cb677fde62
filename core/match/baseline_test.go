package match

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/match/benchdata"
)

// What the sieve is measured against, in the same run: a bare copy and
// bytes.IndexByte, which nothing beats; strings.Replacer, which most programs
// use; and the plain Aho-Corasick automaton that this package had first. It
// loses: each byte waits for the load of the one before, and its table outgrows
// the cache.

// plainAC is an Aho-Corasick automaton with a full table and byte classes.
type plainAC struct{ *crowd }

func newPlainAC(values [][]byte) plainAC {
	var needles []Needle
	var ids []int32
	for i, v := range values {
		needles, ids = append(needles, Needle{v, false}), append(ids, int32(i))
	}
	t := newTails(needles, ids)
	all := make([]int, len(t.id))
	for i := range all {
		all[i] = i
	}
	c, _ := newCrowd(&t, all, 1<<30)
	return plainAC{c}
}

// count steps through the stream and counts the needles that end.
func (a plainAC) count(p []byte) (n int) {
	state := uint32(0)
	for _, b := range p {
		state = a.next[state&^accept+a.class[b]]
		if state&accept != 0 {
			n++
		}
	}
	return n
}

// TestPlainAC holds the baseline to the same answers.
func TestPlainAC(t *testing.T) {
	values := benchdata.Secrets(100)
	stream := benchdata.Input("log", 4<<20, values)
	s, err := Compile(needlesFrom(values), false)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[int]bool{}
	for _, h := range s.Find(new(Scratch), Block{Bytes: stream, Prev: -1}) {
		ends[h.End] = true
	}
	if n := newPlainAC(values).count(stream); n == 0 || n != len(ends) {
		t.Errorf("the automaton finds %d, the sieve %d", n, len(ends))
	}
}

func needlesFrom(values [][]byte) (n []Needle) {
	for _, v := range values {
		n = append(n, Needle{v, false})
	}
	return n
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rate runs f over the stream in blocks and reports MB per CPU second.
func rate(b *testing.B, stream []byte, f func(p []byte)) {
	const block = 64 << 10
	b.SetBytes(int64(len(stream)))
	start := cpuTime()
	for b.Loop() {
		for p := stream; len(p) > 0; {
			n := min(block, len(p))
			f(p[:n])
			p = p[n:]
		}
	}
	b.ReportMetric(float64(len(stream))*float64(b.N)/1e6/(cpuTime()-start).Seconds(), "MB/cpu-s")
}

func BenchmarkReference(b *testing.B) {
	const size = 32 << 20
	values := benchdata.Secrets(100)
	log := benchdata.Input("log", size, values)
	to := make([]byte, 64<<10)
	b.Run("copy", func(b *testing.B) { rate(b, log, func(p []byte) { copy(to, p) }) })
	b.Run("IndexByte", func(b *testing.B) { rate(b, log, func(p []byte) { bytes.IndexByte(p, 0xfe) }) })
	for _, n := range []int{1, 10, 100, 1000} {
		values := benchdata.Secrets(n)
		var pairs []string
		for i, v := range values {
			pairs = append(pairs, string(v), fmt.Sprintf("[REDACTED:N%d]", i))
		}
		r := strings.NewReplacer(pairs...)
		b.Run(fmt.Sprintf("strings.Replacer/%d", n), func(b *testing.B) {
			rate(b, log[:4<<20], func(p []byte) { r.WriteString(io.Discard, string(p)) })
		})
		a := newPlainAC(values)
		b.Run(fmt.Sprintf("AhoCorasick/%d", n), func(b *testing.B) {
			rate(b, log, func(p []byte) { a.count(p) })
		})
		s, err := Compile(needlesFrom(values), false)
		if err != nil {
			b.Fatal(err)
		}
		var c Scratch
		b.Run(fmt.Sprintf("sieve/%d", n), func(b *testing.B) {
			rate(b, log, func(p []byte) { s.Find(&c, Block{Bytes: p, Prev: -1}) })
		})
	}
}

// hardSets are sets of at most 1000 needles made to slow the scan down, with the
// streams that do. The floor is 400 MB a second for each.
func hardSets() map[string][2][][]byte {
	base := benchdata.Secrets(1)[0]
	wide := []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
	sets := map[string][2][][]byte{}
	var one, first, last, nested, endings, letters [][]byte
	for i := range 1000 {
		v := bytes.Clone(base)
		v[i%len(v)] = wide[i/len(v)%64]
		one = append(one, v)
		first = append(first, append([]byte{wide[i%64], wide[i/64]}, base...))
		last = append(last, append(bytes.Clone(base), wide[i%64], wide[i/64]))
		long := bytes.Repeat(base, 30)
		nested = append(nested, long[:20+i])
		endings = append(endings, long[len(long)-20-i:])
		b := make([]byte, 64)
		for k := range b {
			b[k] = "ab"[(i*2654435761>>(k%31))&1]
		}
		letters = append(letters, b)
	}
	near := func(values [][]byte) [][]byte {
		return [][]byte{benchdata.Wrong(8<<20, values), benchdata.Flood(8<<20, values)}
	}
	sets["one byte differs"] = [2][][]byte{one, near(one)}
	sets["first bytes differ"] = [2][][]byte{first, append(near(first), bytes.Repeat(base, 8<<20/len(base)))}
	sets["last bytes differ"] = [2][][]byte{last, append(near(last), bytes.Repeat(base, 8<<20/len(base)))}
	sets["prefixes"] = [2][][]byte{nested, append(near(nested), bytes.Repeat(base, 8<<20/len(base)))}
	sets["suffixes"] = [2][][]byte{endings, append(near(endings), bytes.Repeat(base, 8<<20/len(base)))}
	sets["two letters"] = [2][][]byte{letters, near(letters)}
	return sets
}

// Target 7: the floor.
func BenchmarkFloor(b *testing.B) {
	for name, set := range hardSets() {
		s, err := Compile(needlesFrom(set[0]), false)
		if err != nil {
			b.Fatal(err)
		}
		var c Scratch
		for i, stream := range set[1] {
			b.Run(fmt.Sprintf("%s/%s", name, []string{"wrong", "prefix", "repeat"}[i]), func(b *testing.B) {
				rate(b, stream, func(p []byte) { s.Find(&c, Block{Bytes: p, Prev: -1}) })
			})
		}
	}
}

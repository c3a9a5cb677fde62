package wasmhost

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/asm"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// finder is a scanner that reports [0, 37) if the window starts with acme_ and
// the byte after it is a digit, traps if it is 't', spins if it is 's', and
// leaves the end open if it is 'o'.
func finder() []byte {
	store := asm.Cat(asm.I32Const(asm.Out), asm.I32Const(0), asm.Mem(0x36, 0), asm.I32Const(asm.Out), asm.Get(0), asm.Mem(0x36, 4),
		asm.I32Const(asm.Out), asm.I32Const(0), asm.Mem(0x36, 8))
	is := func(c byte) []byte {
		return asm.Cat(asm.I32Const(asm.In), asm.Mem(0x2d, 5), asm.I32Const(int32(c)), asm.Op(0x46))
	}
	return body(
		is('t'), asm.Block(module.If, asm.Void, asm.Op(module.Unreachable)),
		is('s'), asm.Block(module.If, asm.Void, asm.Block(module.Loop, asm.Void, asm.Idx(module.Br, 0))),
		asm.Get(0), asm.I32Const(6), asm.Op(0x49), asm.Block(module.If, asm.Void, asm.I32Const(0), asm.Op(module.Return)),
		store, asm.I32Const(asm.Out), is('o'), asm.Mem(0x36, 12),
		is('o'), is('7'), asm.Op(0x72))
}

// mask runs scanners over a text in pieces of n bytes.
func mask(t testing.TB, text string, n int, s ...scan.Scanner) string {
	t.Helper()
	set, err := rule.Compile(s, scan.Precise)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := rule.NewFilter(&out, set, nil)
	for len(text) > 0 {
		k := min(n, len(text))
		if _, err := f.Write([]byte(text[:k])); err != nil {
			t.Fatal(err)
		}
		text = text[k:]
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const digits = "acme_7123456789abcdef0123456789abcdef"

// TestInTheEngine runs a module where it will run, at every size of piece.
func TestInTheEngine(t *testing.T) {
	fill := "x" + digits[6:] // 32 bytes
	for _, c := range []struct{ name, in, want string }{
		{"a finding", "token=" + digits + " ok\n", "token=[REDACTED:test-rule] ok\n"},
		{"none", "acme_ is a company, and so on and so on and so on\n", "acme_ is a company, and so on and so on and so on\n"},
		{"at the very end", "x " + digits, "x [REDACTED:test-rule]"},
		{"cut off by the end", "x acme_71", "x [REDACTED:test-rule]"},
		{"two side by side", digits + digits, "[REDACTED:test-rule]"},
		{"open, to its end", "a acme_o" + fill + strings.Repeat("y", 300) + "END z", "a [REDACTED:test-rule]END z"},
		{"open, to the end of all", "a acme_o" + fill + strings.Repeat("y", 300), "a [REDACTED:test-rule]"},
		{"a trap", "a acme_t23456789abcdef0123456789abcdef01234 z", "a [REDACTED:scanner test failed]1234 z"},
		{"a loop", "a acme_s23456789abcdef0123456789abcdef01234 z", "a [REDACTED:scanner test failed]1234 z"},
	} {
		for n := 1; n <= len(c.in); n++ {
			if got := mask(t, c.in, n, load(t, finder(), Options{})); got != c.want {
				t.Errorf("%s, by %d bytes:\n%q\nwant\n%q", c.name, n, got, c.want)
				break
			}
		}
	}
}

// TestRecovers: the window after a failure gets a new instance and an answer.
func TestRecovers(t *testing.T) {
	s := load(t, finder(), Options{})
	got := mask(t, "acme_t"+strings.Repeat("a", 31)+" "+digits+" z", 1<<10, s)
	if want := "[REDACTED:scanner test failed] [REDACTED:test-rule] z"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if c := s.Counts(); c.Calls != 2 || c.Spans != 1 || c.Failures != 1 || c.Quarantined {
		t.Errorf("counts %+v", c)
	}
}

// TestQuarantine: three failures within a minute, and the host masks what it
// would have shown the module. Failures further apart do not add up.
func TestQuarantine(t *testing.T) {
	now := time.Unix(1e9, 0)
	var reports []Failure
	s := load(t, finder(), Options{now: func() time.Time { return now }, Report: func(f Failure) { reports = append(reports, f) }})
	bad := []byte("acme_t" + strings.Repeat("a", 31))
	for range 5 {
		s.Check(0, bad, 0, true)
		now = now.Add(31 * time.Second)
	}
	if c := s.Counts(); c.Failures != 5 || c.Quarantined {
		t.Fatalf("one failure in 31 s: %+v", c)
	}
	now = now.Add(time.Hour)
	for range 3 {
		s.Check(0, bad, 0, true)
		now = now.Add(29 * time.Second)
	}
	c := s.Counts()
	if !c.Quarantined || len(reports) != 8 || !reports[7].Quarantined || reports[6].Quarantined {
		t.Fatalf("three failures in a minute: %+v, %+v", c, reports)
	}
	got := mask(t, "see acme_ is a company, and so on and so on and so on\n", 7, s)
	if want := "see [REDACTED:scanner test failed]on and so on\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if after := s.Counts(); after.Calls != c.Calls || after.Masked != 1 {
		t.Errorf("in quarantine: %+v", after)
	}
}

func TestFailOpen(t *testing.T) {
	var got Failure
	s := load(t, finder(), Options{FailOpen: true, Report: func(f Failure) { got = f }})
	in := "a acme_t23456789abcdef0123456789abcdef01234 z"
	for range 4 { // quarantine does not close it
		if out := mask(t, in, 100, s); out != in {
			t.Errorf("%q, want %q", out, in)
		}
	}
	if !got.Open || !got.Quarantined {
		t.Errorf("reported as %+v", got)
	}
}

// TestCompileLate: a module that passes Load and does not compile masks too.
func TestCompileLate(t *testing.T) {
	s := load(t, body(asm.I64Const(1)), Options{})
	if got := mask(t, "a "+digits+" z", 9, s); got != "a [REDACTED:scanner test failed] z" {
		t.Errorf("%q", got)
	}
}

// TestClosed: a closed scanner masks.
func TestClosed(t *testing.T) {
	s := load(t, finder(), Options{})
	if err := s.Compile(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if spans, _ := s.Check(0, window, 0, true); len(spans) != 1 || spans[0].Rule != 1 {
		t.Errorf("spans %v", spans)
	}
	for name, call := range map[string]func() ([]scan.Span, bool){
		"rule -1":         func() ([]scan.Span, bool) { return s.Check(-1, window, 0, true) },
		"the mark":        func() ([]scan.Span, bool) { return s.Check(1, window, 0, true) },
		"beyond a window": func() ([]scan.Span, bool) { return s.Check(0, window, 99, true) },
	} {
		if spans, more := call(); more || len(spans) != 1 || spans[0].End != len(window) {
			t.Errorf("%s: %v %v", name, spans, more)
		}
	}
}

// TestClearsWindows: nothing of a window is left in the input buffer.
func TestClearsWindows(t *testing.T) {
	s := load(t, finder(), Options{})
	s.Check(0, window, 0, true)
	in := s.hot.Load()
	b, _ := in.module.Memory().Read(in.in, in.inCap)
	if len(bytes.Trim(b, "\x00")) != 0 {
		t.Errorf("left over: %q", bytes.Trim(b, "\x00"))
	}
}

// TestTrapsLeakNothing: a thousand discarded guests leave no mappings behind.
func TestTrapsLeakNothing(t *testing.T) {
	s := load(t, finder(), Options{})
	bad := []byte("acme_t" + strings.Repeat("a", 31))
	step := time.Duration(0)
	s.options.now = func() time.Time { step += time.Hour; return time.Unix(0, 0).Add(step) }
	s.Check(0, bad, 0, true)
	before := virtual(t)
	for range 1000 {
		s.Check(0, bad, 0, true)
	}
	if grown := virtual(t) - before; grown > 64<<20 { // one guest takes 4 MiB
		t.Errorf("address space grew by %d MiB", grown>>20)
	}
}

func virtual(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no /proc on this system")
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestHammer: many streams at once get the answers that one gets.
func TestHammer(t *testing.T) {
	s := load(t, finder(), Options{})
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for i := range 200 {
				w := []byte(digits)
				want := "[{0 37 0 false }]"
				if (i+p)%3 == 0 {
					w[5], want = 'x', "[]"
				}
				if spans, _ := s.Check(0, w, 0, true); fmt.Sprint(spans) != want {
					t.Errorf("%s: %v, want %s", w, spans, want)
				}
			}
		})
	}
	wg.Wait()
	if c := s.Counts(); c.Calls != 1600 || c.Failures != 0 {
		t.Errorf("counts %+v", c)
	}
}

// TestEnginesAgree holds both engines, and metering and none, to one answer.
func TestEnginesAgree(t *testing.T) {
	all := []*Scanner{
		load(t, finder(), Options{}), load(t, finder(), Options{Interpreter: true}),
		load(t, finder(), Options{Unmetered: true}), load(t, finder(), Options{Unmetered: true, Interpreter: true}),
	}
	for c := range 256 {
		w := []byte(digits)
		if w[5] = byte(c); w[5] == 's' || w[5] == 't' {
			continue
		}
		want, _ := all[0].Check(0, w, 0, true)
		for i, s := range all[1:] {
			if got, _ := s.Check(0, w, 0, true); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%q: %v, and %v by number %d", w, want, got, i+1)
			}
		}
	}
}

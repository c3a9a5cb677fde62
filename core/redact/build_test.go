package redact

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/opaquevault/ov/core/crash"
	"github.com/opaquevault/ov/core/match"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/core/secret"
)

func built(t *testing.T, needles []Needle, o Options) *Build {
	t.Helper()
	b, err := Begin(needles, o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func buildNeedles(values ...string) (all []Needle) {
	for i, v := range values {
		all = append(all, Needle{fmt.Sprint("N", i), secret.New([]byte(v))})
	}
	return all
}

// The set of a Build masks what that of Compile masks, whoever starts it and
// however many wait for it.
func TestBuildIsCompile(t *testing.T) {
	needles := buildNeedles("hunter2-correct-horse", "another value, 20+ b")
	want, err := Compile(needles, Options{})
	if err != nil {
		t.Fatal(err)
	}
	text := "a hunter2-correct-horse b aHVudGVyMi1jb3JyZWN0LWhvcnNl another value, 20+ b\n"
	b := built(t, needles, Options{})
	needles[0] = Needle{"X", secret.New([]byte("not what was taken"))}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i%2 == 0 {
				b.Start()
			}
			s, err := b.Set()
			if err != nil || s.Size() != want.Size() || maskAll(s, text) != maskAll(want, text) {
				t.Errorf("set %v, %v, masks %q, want %q", s, err, maskAll(s, text), maskAll(want, text))
			}
		})
	}
	wg.Wait()
	<-b.Done()
	b.Cancel() // too late: the set stays
	if s, err := b.Set(); s == nil || err != nil {
		t.Errorf("after Cancel of a finished build: %v, %v", s, err)
	}
}

func maskAll(s *Set, text string) string {
	var out bytes.Buffer
	w := NewWriter(&out, s, nil)
	w.Write([]byte(text))
	w.Close()
	return out.String()
}

// Whatever Compile refuses of needles and options, Begin refuses.
func TestBeginRefuses(t *testing.T) {
	large := strings.Split(strings.Repeat(strings.Repeat("0123456789abcdef", 4<<10)+"\n", 64), "\n")[:64] // 4 MiB
	for i := range large {
		large[i] = fmt.Sprint(i, large[i])
	}
	for _, c := range []struct {
		name    string
		needles []Needle
		o       Options
		want    error
	}{
		{"short", buildNeedles("abcdefgh", "abc"), Options{}, ErrShort},
		{"fragment", nil, Options{MinFragment: 7}, nil},
		{"many", buildNeedles(large...), Options{}, match.ErrSize},
	} {
		b, err := Begin(c.needles, c.o)
		_, same := Compile(c.needles, c.o)
		if b != nil || err == nil || same == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, and Compile says %v", c.name, err, same)
		}
	}
}

// faulty is a scanner that cannot be compiled, or panics over it.
type faulty struct{ panics bool }

func (f faulty) Rules() []scan.Rule {
	if f.panics {
		panic("a bug that quotes hunter2")
	}
	return []scan.Rule{{ID: ""}}
}
func (faulty) Check(int, []byte, int, bool) ([]scan.Span, bool) { return nil, false }

// A build that fails tells everybody, each time, and there is no set.
func TestBuildFails(t *testing.T) {
	for _, panics := range []bool{false, true} {
		b := built(t, buildNeedles("abcdefgh"), Options{Level: scan.Precise, Scanners: []scan.Scanner{faulty{panics}}})
		for range 2 {
			s, err := b.Set()
			if s != nil || err == nil || errors.Is(err, crash.ErrBug) != panics || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("panics %v: %v, %v", panics, s, err)
			}
		}
	}
}

func TestCancelledBuildNeverStarts(t *testing.T) {
	needles := buildNeedles("abcdefgh")
	b := built(t, needles, Options{})
	b.Cancel()
	b.Cancel()
	<-b.Done()
	needles[0].Value.Wipe()
	if s, err := b.Set(); s != nil || !errors.Is(err, ErrCancelled) {
		t.Errorf("%v, %v, want ErrCancelled", s, err)
	}
}

package redact

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/match"
)

// TestGuessPIN plays the attack that masking cannot stop: a program prints all
// guesses and reads the answer from the marker. The count tells on it.
func TestGuessPIN(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, setFor(t, "7349", Options{}), nil)
	for i := range 10_000 {
		fmt.Fprintf(w, "%04d\n", i)
	}
	w.Close()
	line := strings.Index(out.String(), "[REDACTED:A]")
	if got := strings.Count(out.String()[:line], "\n"); got != 7349 {
		t.Errorf("the marker is in line %d", got)
	}
	if c := w.Counts(); len(c) != 1 || c[0] != (Count{Name: "A", Lane: Exact, N: 1}) {
		t.Errorf("counts %v, want one exact range", c)
	}
}

// TestGuessByFragments finds a key byte by byte: 11 bytes are known, and each
// next one is the guess that is masked. Every step is one range in the fragment
// lane, at an offset of its own: what the agent counts. (The squeezed lane does not
// tell capitals from small letters: it would answer before.)
func TestGuessByFragments(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
	s := setFor(t, token, Options{Lanes: Exact | Encoded | Fragments})
	offsets := map[int64]bool{}
	guess := token[8:19]
	hits := int64(0)
	w := NewWriter(io.Discard, s, func(m Mask) {
		if m.Lane == Fragments {
			offsets[m.Start] = true
		}
		hits++
	})
	for len(guess) < len(token)-8 {
		before := hits
		for i := range len(alphabet) {
			io.WriteString(w, "\n"+guess[len(guess)-11:]+alphabet[i:i+1]+"\n")
			w.Flush()
			if hits > before {
				guess += alphabet[i : i+1]
				break
			}
		}
		if hits == before {
			t.Fatalf("stuck after %d bytes", len(guess))
		}
	}
	if guess != token[8:] {
		t.Errorf("the attack found %d bytes, not all", len(guess))
	}
	want := int64(len(token) - 19)
	if c := w.Counts(); len(c) != 1 || c[0] != (Count{Name: "A", Lane: Fragments, N: want}) {
		t.Errorf("counts %v, want %d in the fragment lane", c, want)
	}
	if int64(len(offsets)) != want {
		t.Errorf("%d distinct offsets, want %d", len(offsets), want)
	}
}

// TestGuessInView: a guess that stands in the view alone, in other letters or with
// something between them, is counted as a fragment as well.
func TestGuessInView(t *testing.T) {
	w := NewWriter(io.Discard, setFor(t, token, Options{}), nil)
	guess := token[4:22]
	for _, g := range []string{strings.ToUpper(guess), strings.ToLower(guess), strings.Join(strings.Split(guess, ""), " "), guess[:9] + "|" + guess[9:]} {
		fmt.Fprintf(w, "is it %s?\n", g)
	}
	w.Close()
	if c := w.Counts(); len(c) != 1 || c[0] != (Count{Name: "A", Lane: Fragments, N: 4}) {
		t.Errorf("counts %v, want 4 fragments", c)
	}
}

// TestEverySlice masks every 12 bytes of a random value of 32 characters, in each
// of its forms of which fragments count.
func TestEverySlice(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	values := 20
	if testing.Short() {
		values = 1
	}
	for range values {
		value := make([]byte, 32)
		for i := range value {
			value[i] = base62[r.IntN(len(base62))]
		}
		s := setFor(t, string(value), Options{})
		n := 0
		for _, f := range slices.Concat(encode.Exact(value), encode.Encoded(value)) {
			window := f.Window(defaultFragment)
			at := f.Specific(window)
			for i, is := range at {
				if !is {
					if f.Kind == "exact" || f.Kind == "base64" || f.Kind == "hex" {
						t.Errorf("bytes %d to %d of the form %s do not count", i, i+window, f.Kind)
					}
					continue
				}
				n++
				var out bytes.Buffer
				w := NewWriter(&out, s, nil)
				fmt.Fprintf(w, "\a%s\a", f.Bytes[i:i+window]) // which is in no form
				w.Close()
				if out.String() != "\a[REDACTED:A]\a" {
					t.Fatalf("bytes %d to %d of the form %s: %s", i, i+window, f.Kind, out.String())
				}
			}
		}
		if n < 400 {
			t.Errorf("only %d slices: the test is blind", n)
		}
	}
}

// TestManyNeedles builds 100,000 or says why not.
func TestManyNeedles(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds under the race detector")
	}
	var needles []Needle
	for i := range 100_000 {
		needles = append(needles, needle(fmt.Sprint("N", i), fmt.Sprintf("%016x%016x", uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xbf58476d1ce4e5b9)))
	}
	s, err := Compile(needles, Options{Lanes: Exact})
	if err != nil {
		t.Fatal(err)
	}
	if s.Size() > 64<<20 {
		t.Errorf("100,000 needles take %d bytes", s.Size())
	}
	if _, err := Compile(needles, Options{Lanes: All}); err == nil || !strings.Contains(err.Error(), match.ErrSize.Error()) {
		t.Errorf("with all lanes: %v, want a refusal with the reason", err)
	}
}

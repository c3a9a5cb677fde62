package redact

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// long is a value of n bytes that no part of repeats.
func long(n int) string {
	r := rand.New(rand.NewPCG(71, 72))
	var b strings.Builder
	for b.Len() < n {
		b.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[r.IntN(62)])
	}
	return b.String()
}

// TestTinyWrites writes a long value in small pieces, whole, cut short and with a
// byte wrong, and holds the output to that of one write.
func TestTinyWrites(t *testing.T) {
	value := long(700)
	needles := []Needle{needle("A", value), needle("B", value[300:340]), needle("C", "1234")}
	r := rand.New(rand.NewPCG(73, 74))
	wrong := []byte(value)
	wrong[650]++
	streams := []string{
		"x " + value + " y", value, value[:600] + " y", string(wrong), value[:350] + value, value[:699] + "\n",
		value[:200] + "1234 " + value[200:], strings.Join(strings.Split(value, ""), "\n"),
	}
	for _, lanes := range []Lanes{All, Exact} {
		set, err := Compile(needles, Options{Lanes: lanes})
		if err != nil {
			t.Fatal(err)
		}
		for _, stream := range streams {
			var want bytes.Buffer
			w := NewWriter(&want, set, nil)
			w.Write([]byte(stream))
			w.Close()
			for _, most := range []int{1, 3, 40} {
				var got bytes.Buffer
				w := NewWriter(&got, set, nil)
				for rest := stream; rest != ""; {
					n := min(len(rest), 1+r.IntN(most))
					if _, err := w.Write([]byte(rest[:n])); err != nil {
						t.Fatal(err)
					}
					rest = rest[n:]
				}
				w.Close()
				if got.String() != want.String() {
					t.Fatalf("%v, pieces of up to %d of %q\n got %q\nwant %q", lanes, most, stream, got.String(), want.String())
				}
			}
		}
	}
}

// TestExpected holds that what goes on as expected is not searched at each write,
// that it is when a person's echo asks what it holds, and that an echo shows
// nothing of a needle that lies in it.
func TestExpected(t *testing.T) {
	value := long(200)
	set, err := Compile([]Needle{needle("A", value), needle("B", value[50:90])}, Options{Lanes: Exact})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, set, nil)
	for i := range 150 {
		w.Write([]byte(value[i : i+1]))
	}
	if w.seen > 20 || w.Held() != 150 {
		t.Fatalf("searched up to %d, %d held", w.seen, w.Held())
	}
	w.Echo([]byte(value[:150]))
	if w.seen != 150 || out.Len() > 0 {
		t.Fatalf("searched up to %d, passed on %q", w.seen, out.String())
	}
	w.ReadFrom(strings.NewReader(value[150:]))
	w.Close()
	if out.String() != "[REDACTED:A]" {
		t.Fatalf("%q", out.String())
	}
}

func BenchmarkTiny(b *testing.B) {
	value := long(16 << 10)
	set, err := Compile([]Needle{needle("A", value)}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(value)))
	for b.Loop() {
		w := NewWriter(io.Discard, set, nil)
		for i := range len(value) {
			w.Write([]byte(value[i : i+1]))
		}
		w.Close()
	}
}

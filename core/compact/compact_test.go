package compact

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func separators(c byte) bool { return c < 0x28 || bytes.IndexByte([]byte(",-:\\"), c) >= 0 }

func signs(c byte) bool {
	return !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z')
}

// plain is the specification.
func plain(src []byte, leave func(byte) bool, bits byte) (kept []byte) {
	for _, c := range src {
		if !leave(c) {
			kept = append(kept, c|bits)
		}
	}
	return kept
}

var sets = map[string]func(byte) bool{
	"separators": separators,
	"signs":      signs,
	"none":       func(byte) bool { return false },
	"all":        func(byte) bool { return true },
	"ascii":      func(c byte) bool { return c < 0x80 },
	"one":        func(c byte) bool { return c == 0x7f },
	"odd":        func(c byte) bool { return c&1 != 0 && c < 0x80 },
	"high":       func(c byte) bool { return c == 0xff || c == ' ' }, // not for vectors
}

// check compacts src, also where the vectors take it, and holds that nothing is
// written beyond what may be.
func check(t testing.TB, name string, src []byte) {
	t.Helper()
	for _, bits := range []byte{0, 0x20} {
		checkBits(t, name, src, bits)
	}
}

func checkBits(t testing.TB, name string, src []byte, bits byte) {
	t.Helper()
	s := New(sets[name], bits)
	want := plain(src, sets[name], bits)
	dst := make([]byte, len(src))
	if n := s.Copy(dst, src); !bytes.Equal(dst[:n], want) || s.Count(src) != n {
		t.Fatalf("%s: %q became %q, want %q", name, src, dst[:n], want)
	}
	for _, fast := range []bool{s.fast, false} {
		s.fast = fast
		whole := src[:len(src)/Block*Block]
		starts := make([]int32, len(src)/Block)
		for len(whole) > 0 {
			dst := bytes.Repeat([]byte{0xaa}, len(whole)+8)
			blocks, n := s.Blocks(dst, whole, starts[:len(whole)/Block])
			for k := range blocks {
				if want := len(plain(whole[:k*Block], sets[name], bits)); int(starts[k]) != want {
					t.Fatalf("%s, vectors %v: block %d of %q at %d, want %d", name, fast, k, whole, starts[k], want)
				}
				empty := len(plain(whole[k*Block:(k+1)*Block], sets[name], bits)) == 0
				if empty != (k == blocks-1 && (blocks < len(whole)/Block || empty)) {
					t.Fatalf("%s, vectors %v: %d blocks of %q", name, fast, blocks, whole)
				}
			}
			if want := plain(whole[:blocks*Block], sets[name], bits); !bytes.Equal(dst[:n], want) {
				t.Fatalf("%s, vectors %v: %q became %q, want %q", name, fast, whole, dst[:n], want)
			}
			if !bytes.Equal(dst[len(whole):], bytes.Repeat([]byte{0xaa}, 8)) {
				t.Fatalf("%s, vectors %v: wrote behind %d bytes", name, fast, len(whole))
			}
			whole = whole[blocks*Block:]
		}
	}
}

func TestCopy(t *testing.T) {
	if vector && (!New(separators, 0).fast || !New(signs, 0x20).fast) {
		t.Fatal("vectors are not used for plain sets")
	}
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for name := range sets {
		for at := range 64 { // each byte at each place of a block
			check(t, name, append(bytes.Clone(every[at:]), every[:at]...))
		}
		for range 300 {
			b := make([]byte, r.IntN(500))
			for i := range b {
				if b[i] = byte(r.Uint32()); r.IntN(2) == 0 {
					b[i] = " ,x:0-\n"[r.IntN(7)]
				}
			}
			for i := range b[:len(b)/3] { // also blocks of which nothing is kept
				b[len(b)/3+i] = ' '
			}
			check(t, name, b)
		}
	}
}

func TestKeeps(t *testing.T) {
	s := New(separators, 0)
	for c := range 256 {
		if s.Keeps(byte(c)) == separators(byte(c)) {
			t.Errorf("%q", byte(c))
		}
	}
}

func FuzzCopy(f *testing.F) {
	f.Add([]byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s, and more of the same\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		for name := range sets {
			check(t, name, src)
		}
	})
}

func BenchmarkCopy(b *testing.B) {
	src := bytes.Repeat([]byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s\n"), 880)
	src = src[:len(src)/Block*Block]
	dst, starts := make([]byte, len(src)), make([]int32, len(src)/Block)
	for _, fast := range []bool{vector, false} {
		s := New(separators, 0)
		s.fast = fast
		b.Run(map[bool]string{true: "vectors", false: "portable"}[fast], func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				s.Blocks(dst, src, starts)
			}
		})
	}
}

package host

import (
	"fmt"
	"os/exec"
	"testing"
)

// BenchmarkStart is from nothing to a configured provider: copy, hash, start,
// handshake, mTLS, Describe, Configure, and its end; beside starting the same
// program bare.
func BenchmarkStart(b *testing.B) {
	b.Run("configured", func(b *testing.B) {
		for b.Loop() {
			p, err := Start(b.Context(), self("honest", b.TempDir()))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := p.Configure(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			p.Close()
			b.StartTimer()
		}
	})
	b.Run("bare", func(b *testing.B) {
		s := self("exit", b.TempDir())
		for b.Loop() {
			exec.Command(s.Path, s.Args...).Run() // ends with a status of its own
		}
	})
}

// BenchmarkFetch streams 10,000 values from a running provider.
func BenchmarkFetch(b *testing.B) {
	p, err := Start(b.Context(), self("honest", b.TempDir()))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Configure(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	refs := make([]string, 10_000)
	for i := range refs {
		refs[i] = fmt.Sprintf("r%d", i)
	}
	for b.Loop() {
		n := 0
		for i := range p.Fetch(b.Context(), refs) {
			if i.Err != nil {
				b.Fatal(i.Err)
			}
			n++
		}
		if n != len(refs) {
			b.Fatalf("%d values", n)
		}
	}
}

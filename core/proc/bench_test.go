//go:build linux || darwin

package proc

import (
	"io"
	"testing"
)

// BenchmarkStart is what a run of true costs above ov's own start: directly, and below a session leader.
func BenchmarkStart(b *testing.B) {
	path, err := Resolve("true", "", []string{"PATH=/usr/bin:/bin"})
	if err != nil {
		b.Fatal(err)
	}
	for _, leader := range []bool{false, true} {
		name := "direct"
		if leader {
			name = "leader"
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p, err := Start(Spec{Path: path, Args: []string{"true"}, Leader: leader})
				if err != nil {
					b.Fatal(err)
				}
				go io.Copy(io.Discard, p.Stderr)
				io.Copy(io.Discard, p.Stdout)
				if st, err := p.Wait(); err != nil || st.Exit() != 0 {
					b.Fatal(st, err)
				}
				p.Close()
			}
		})
	}
}

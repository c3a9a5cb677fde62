package serve

import (
	"fmt"
	"testing"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// BenchmarkGate is what the gate adds to a grant of 50 secrets.
func BenchmarkGate(b *testing.B) {
	r := newRig(b)
	r.init(b, "TOKEN")
	var refs []secret.Ref
	for i := range 50 {
		refs = append(refs, dev(fmt.Sprintf("S_%d", i)))
	}
	c := &client{s: r.server, actor: Actor{Client: "cli"}}
	for b.Loop() {
		q := Request{Verb: VerbRun, Refs: refs, Grant: runOf(refs...)}
		if d, err := r.server.decide(b.Context(), c, &wire.Frame{}, &q); err != nil || !d.Allow {
			b.Fatal(d, err)
		}
	}
}

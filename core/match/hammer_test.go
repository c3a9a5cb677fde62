package match

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// TestHammer shares one set among streams that run at the same time.
func TestHammer(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	needles := families(r)["mixed"]
	stream := hostile(r, needles, 3000)
	s, err := Compile(needles, true)
	if err != nil {
		t.Fatal(err)
	}
	want := sorted(slices.Clone(s.Find(new(Scratch), Block{Bytes: stream, Prev: -1, Final: true})))
	if len(want) == 0 {
		t.Fatal("nothing to find: the test is blind")
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var c Scratch
			for range 20 {
				if got := sorted(slices.Clone(s.Find(&c, Block{Bytes: stream, Prev: -1, Final: true}))); !slices.Equal(got, want) {
					t.Error("another result beside others")
				}
			}
		})
	}
	wg.Wait()
}

// TestNoAllocations holds a search to memory that it has.
func TestNoAllocations(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	needles := families(r)["random"]
	stream := hostile(r, needles, 20_000)
	s, err := Compile(needles, false)
	if err != nil {
		t.Fatal(err)
	}
	var c Scratch
	b := Block{Bytes: stream, Prev: -1}
	if n := testing.AllocsPerRun(20, func() { s.Find(&c, b); s.Hold(b) }); n > 0 {
		t.Errorf("%v allocations a search", n)
	}
}

package seal

import (
	"fmt"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

func BenchmarkDerive(b *testing.B) {
	for _, suite := range []Suite{Suite1, Suite2} {
		b.Run(fmt.Sprint("suite", suite), func(b *testing.B) {
			for b.Loop() {
				if _, err := Derive(text("password"), make([]byte, 16), VaultID{}, suite); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	s := newSample(b, strings.Repeat("v", 40))
	for b.Loop() {
		SealRecord(s.k, s.p, s.m, []byte(s.value))
	}
}

// BenchmarkOpen opens 50 and 10,000 records: the targets are 0.4 and 90 ms.
func BenchmarkOpen(b *testing.B) {
	for _, n := range []int{50, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSample(b, strings.Repeat("v", 40))
			data := make([][]byte, n)
			places := make([]Place, n)
			refs := make([]secret.Ref, n)
			for i := range n {
				m := s.m
				m.Ref.Name = fmt.Sprint("NAME_", i)
				refs[i] = m.Ref
				places[i] = s.k.Place(s.k.RecordID(m.Ref.Name), 1)
				data[i] = SealRecord(s.k, places[i], m, []byte(s.value))
			}
			for b.Loop() {
				for i := range data {
					rec, err := ParseRecord(data[i])
					if err != nil {
						b.Fatal(err)
					}
					if _, _, err := rec.Open(s.k, places[i], refs[i]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkChange is what one write costs in a vault of 10,000.
func BenchmarkChange(b *testing.B) {
	leaves := make([]Hash, 10_000)
	for i := range leaves {
		leaves[i] = Hash(NewKey(32))
	}
	tree, _ := NewTree(leaves)
	for b.Loop() {
		next, ok := tree.Change([]Hash{Hash(NewKey(32))}, leaves[:1])
		if !ok {
			b.Fatal("Change")
		}
		_ = next.Root()
	}
}

package redact

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

// FuzzRedact compares the writer with the oracle over cut streams, and holds
// that a further needle never shows a byte that was masked without it.
func FuzzRedact(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.values), []byte(c.stream), []byte{90, 180}, uint8(c.lanes))
	}
	f.Fuzz(func(t *testing.T, values, stream, cuts []byte, lanes uint8) {
		var needles []Needle
		for i, v := range bytes.Split(values[:min(len(values), 160)], []byte("|")) {
			if len(v) >= secret.MinMaskable && len(needles) < 4 {
				needles = append(needles, Needle{fmt.Sprint(i), secret.New(bytes.Clone(v))})
			}
		}
		stream = stream[:min(len(stream), 250)]
		var at []int
		for _, c := range cuts[:min(len(cuts), 6)] {
			at = append(at, int(c)*(len(stream)+1)/256)
		}
		slices.Sort(at)
		o := Options{Lanes: Lanes(lanes) & All}
		checkStream(t, needles, o, stream, nil, at)
		if len(needles) > 1 {
			before, after := maskedBytes(t, needles[1:], o, stream), maskedBytes(t, needles, o, stream)
			for i := range before {
				if before[i] && !after[i] {
					t.Fatalf("byte %d of %q is masked without needle %q only", i, stream, needles[0].Value.Reveal())
				}
			}
		}
	})
}

func maskedBytes(t *testing.T, needles []Needle, o Options, stream []byte) []bool {
	s, err := Compile(needles, o)
	if err != nil {
		t.Fatal(err)
	}
	masked := make([]bool, len(stream))
	w := NewWriter(io.Discard, s, func(m Mask) {
		for i := m.Start; i < m.End; i++ {
			masked[i] = true
		}
	})
	w.Write(stream)
	w.Close()
	return masked
}

package audit

import (
	"testing"
)

// BenchmarkVerify reports lines per second: the target is 700k.
func BenchmarkVerify(b *testing.B) {
	l := openLog(b, b.TempDir())
	const lines = 100_000
	for i := 0; i < lines; i += 5000 {
		fill(b, l, i, 5000)
	}
	b.ResetTimer()
	for b.Loop() {
		r, err := l.Verify()
		if err != nil || r.Records != lines {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

// BenchmarkAppend is one durable record.
func BenchmarkAppend(b *testing.B) {
	l := openLog(b, b.TempDir())
	for b.Loop() {
		if err := l.Append(access(1)); err != nil {
			b.Fatal(err)
		}
	}
}

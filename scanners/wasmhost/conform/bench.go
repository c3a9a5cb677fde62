package conform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Bench measures a module: what it costs to have, to start and to run, each next
// to what it would be without.
func Bench(wasm []byte) (*Report, error) {
	m, err := module.Parse(wasm)
	if err != nil {
		return nil, err
	}
	golden, err := manifest.Golden(m)
	if err != nil {
		return nil, err
	}
	if len(golden) == 0 {
		return nil, errors.New("no golden cases to measure with")
	}
	r := &Report{}
	row := func(what, format string, args ...any) {
		r.Rows = append(r.Rows, Row{Check: what, Detail: fmt.Sprintf(format, args...)})
	}
	start := time.Now()
	s, err := wasmhost.Load(wasm, wasmhost.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	r.Name = s.Manifest().Name
	row("read the manifest, check the limits", "%v", time.Since(start))
	start = time.Now()
	if err := s.Compile(); err != nil {
		return nil, err
	}
	row("validate, meter, compile, start", "%v", time.Since(start))
	start = time.Now()
	p, err := s.Probe()
	if err != nil {
		return nil, err
	}
	p.Close()
	row("start another, as after a failure", "%v", time.Since(start))
	if s.Manifest().Mode == manifest.Stream {
		return r, nil
	}
	clean := bytes.Repeat([]byte("2026-03-01T00:00:01.107000Z WARN auth: refreshed for user=1542 ttl=3600s\n"), 1<<20/73)
	without, err := rate(nil, clean)
	if err != nil {
		return nil, err
	}
	with, err := rate([]scan.Scanner{s}, clean)
	if err != nil {
		return nil, err
	}
	row("clean output, keyword filter alone", "%.0f MB/s (%.0f with no rules)", with, without)
	some := bytes.Clone(clean)
	for i := 4096; i+len(golden[0].Input) < len(some); i += 4096 {
		copy(some[i:], golden[0].Input)
	}
	if with, err = rate([]scan.Scanner{s}, some); err != nil {
		return nil, err
	}
	row("the first golden case in every 4 KiB", "%.0f MB/s", with)
	return r, nil
}

// rate returns MB/s of a text through the engine: the best of several rounds.
func rate(scanners []scan.Scanner, text []byte) (float64, error) {
	set, err := rule.Compile(scanners, scan.Precise)
	if err != nil {
		return 0, err
	}
	f := rule.NewFilter(io.Discard, set, nil)
	best := time.Duration(1 << 62)
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		start := time.Now()
		if _, err := f.Write(text); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return float64(len(text)) / best.Seconds() / 1e6, f.Close()
}

package conform

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// A window is what the host could show the module.
type window struct {
	bytes []byte
	flags uint32
}

// window makes one: around a keyword of a rule, out of golden inputs with bytes
// changed, and of noise.
func (k *kit) window() window {
	n := k.rand.IntN(len(k.manifest.Rules))
	r := k.manifest.Rules[n]
	w := window{flags: wasmhost.FlagWindow | uint32(n)<<8}
	size := r.Before + r.After
	if k.manifest.Mode == manifest.Stream {
		w.flags, size = uint32(k.rand.IntN(4)), k.manifest.MaxWindow*2
	}
	if k.rand.IntN(3) > 0 {
		w.bytes = k.golden1(r, size)
	} else {
		w.bytes = k.noise(r, size)
	}
	if len(w.bytes) > size {
		w.bytes = w.bytes[:size]
	}
	if k.rand.IntN(4) == 0 { // the stream ends here
		w.bytes = w.bytes[:k.rand.IntN(len(w.bytes)+1)]
		w.flags |= wasmhost.FlagEnd
	}
	return w
}

// golden1 is part of a golden input from a keyword on, changed here and there.
func (k *kit) golden1(r manifest.Rule, size int) []byte {
	in := k.golden[k.rand.IntN(len(k.golden))].Input
	from := 0
	if len(r.Keywords) > 0 {
		if i := strings.Index(in, r.Keywords[k.rand.IntN(len(r.Keywords))]); i >= 0 {
			from = max(0, i-r.Before)
		}
	} else if len(in) > 0 {
		from = k.rand.IntN(len(in))
	}
	b := []byte(in[from:])
	for len(b) < size {
		b = append(b, in...)
		b = append(b, k.noise(r, 16)...)
	}
	b = b[:size]
	for range k.rand.IntN(4) {
		if len(b) > 0 {
			b[k.rand.IntN(len(b))] = byte(k.rand.Uint32())
		}
	}
	return b
}

// noise is a keyword among bytes of one of several kinds.
func (k *kit) noise(r manifest.Rule, size int) []byte {
	alphabets := []string{"0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_-", " \t\r\n\"'{}[]:,", "\x00\xff\x80\x7f"}
	a := alphabets[k.rand.IntN(len(alphabets))]
	b := make([]byte, size)
	for i := range b {
		b[i] = a[k.rand.IntN(len(a))]
		if a[0] == 0 {
			b[i] = byte(k.rand.Uint32())
		}
	}
	if len(r.Keywords) > 0 {
		copy(b[min(r.Before, len(b)):], r.Keywords[k.rand.IntN(len(r.Keywords))])
	}
	return b
}

// purity asks about the same window in every state that a guest can be in.
func (k *kit) purity() {
	for i := range 50 {
		w, other := k.window(), k.window()
		first, err := k.scanner.Probe()
		if err != nil {
			k.add("purity", err, "")
			return
		}
		want, err := first.Ask(w.bytes, w.flags, 0)
		for _, step := range []struct {
			state  string
			ask    window
			fresh  bool
			poison byte
			look   bool
		}{
			{"asked twice", w, false, 0, true},
			{"", other, false, 0, false},
			{"after another window", w, false, 0, true},
			{"asked a fresh guest", w, true, 0, true},
			{"with other bytes behind the window: it reads past the end", w, false, 0xff, true},
			{"with the keyword behind the window: it reads past the end", w, false, k.first(), true},
		} {
			if step.fresh && err == nil {
				first.Close()
				first, err = k.scanner.Probe()
			}
			if err != nil {
				break
			}
			var got wasmhost.Answer
			if got, err = first.Ask(step.ask.bytes, step.ask.flags, step.poison); err == nil && step.look && !bytes.Equal(got.Raw, want.Raw) {
				err = fmt.Errorf("window %d %q, %s: another answer", i, w.bytes, step.state)
			}
		}
		if err != nil {
			k.add("purity, over-read", err, "")
			return
		}
		first.Close()
	}
	k.add("purity, over-read", nil, "the same window twice, after others, in a fresh guest, with poison behind it")
}

// first is a byte that a keyword starts with.
func (k *kit) first() byte {
	for _, r := range k.manifest.Rules {
		for _, w := range r.Keywords {
			return w[0]
		}
	}
	return 'a'
}

// fuzz asks about many windows in all ways at once.
func (k *kit) fuzz() {
	p, err := k.scanner.Probe()
	if err != nil {
		k.add("fuzzed windows", err, "")
		return
	}
	defer p.Close()
	var most, share float64
	memory, spans := 0, 0
	var probes []*wasmhost.Probe
	for _, v := range k.others {
		o, err := v.scanner.Probe()
		if err != nil {
			k.add(v.name, err, "")
			return
		}
		defer o.Close()
		probes = append(probes, o)
	}
	var before []asked
	kept := 0
	for i := range k.options.Windows {
		w := k.window()
		want, err := p.Ask(w.bytes, w.flags, 0)
		if err != nil {
			k.add("fuzzed windows", fmt.Errorf("window %d %q: %w", i, w.bytes, err), "")
			return
		}
		most = max(most, float64(want.Fuel)/float64(max(1, len(w.bytes))))
		share = max(share, float64(want.Fuel)/float64(wasmhost.Fuel(len(w.bytes))))
		memory, spans = max(memory, want.Memory), spans+len(want.Spans)
		if kept += len(w.bytes); kept < maxKept {
			before = append(before, asked{w, want.Raw})
		}
		for j, o := range probes {
			got, err := o.Ask(w.bytes, w.flags, 0)
			if err == nil && !bytes.Equal(got.Raw, want.Raw) {
				err = fmt.Errorf("window %d %q: %v, and %v", i, w.bytes, want.Spans, got.Spans)
			}
			if err != nil {
				k.add(k.others[j].name, err, "")
				return
			}
		}
	}
	k.add("fuzzed windows", nil, "%d windows, %d findings, no failure", k.options.Windows, spans)
	if !k.add("the same in another order", k.again(p, before), "%d windows", len(before)) {
		return
	}
	for _, v := range k.others {
		k.add(v.name, nil, "%d windows agree", k.options.Windows)
	}
	k.add("fuel", nil, "at most %.0f units a byte, and %.0f %% of what a call may use", most, 100*share)
	k.add("memory", nil, "%d KiB of %d", memory>>10, k.manifest.MemoryPages*64)
}

// An asked window and its answer. So many bytes of them are kept.
type asked struct {
	window
	raw []byte
}

const maxKept = 8 << 20

// again asks a guest that has seen many windows about them in another order.
func (k *kit) again(p *wasmhost.Probe, before []asked) error {
	k.rand.Shuffle(len(before), func(i, j int) { before[i], before[j] = before[j], before[i] })
	for _, a := range before {
		got, err := p.Ask(a.bytes, a.flags, 0)
		if err == nil && !bytes.Equal(got.Raw, a.raw) {
			err = fmt.Errorf("window %q: another answer than before", a.bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// speed times windows as they come.
func (k *kit) speed() {
	windows := make([]window, 256)
	total := 0
	for i := range windows {
		windows[i] = k.window()
		total += len(windows[i].bytes)
	}
	p, err := k.scanner.Probe()
	if err != nil {
		k.add("speed", err, "")
		return
	}
	defer p.Close()
	best := time.Duration(1 << 62)
	for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); {
		start := time.Now()
		for _, w := range windows {
			if _, err := p.Direct(w.bytes, w.flags); err != nil {
				k.add("speed", err, "")
				return
			}
		}
		best = min(best, time.Since(start))
	}
	k.add("speed", nil, "%d ns a window of %d bytes, %.0f MB/s", best.Nanoseconds()/int64(len(windows)), total/len(windows),
		float64(total)/best.Seconds()/1e6)
}

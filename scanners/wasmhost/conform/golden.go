package conform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// sink is where a module's output goes, masked.
func (k *kit) sink(dst io.Writer) (io.WriteCloser, error) {
	if k.manifest.Mode == manifest.Stream {
		return wasmhost.NewWriter(dst, k.scanner)
	}
	set, err := rule.Compile([]scan.Scanner{k.scanner}, scan.Precise)
	if err != nil {
		return nil, err
	}
	return rule.NewFilter(dst, set, nil), nil
}

// mask runs a text through the module, cut at the places.
func (k *kit) mask(text string, cuts ...int) (string, error) {
	var out bytes.Buffer
	w, err := k.sink(&out)
	if err != nil {
		return "", err
	}
	from := 0
	for _, to := range append(cuts, len(text)) {
		if _, err := w.Write([]byte(text[from:to])); err != nil {
			return "", err
		}
		from = to
	}
	err = w.Close()
	return out.String(), err
}

// goldenCases runs the module's own cases whole, cut in two at every byte, and
// byte by byte.
func (k *kit) goldenCases() bool {
	if len(k.golden) == 0 {
		return k.add("golden cases", errors.New("none: [[golden]] in scanner.toml has name, input and output"), "")
	}
	for _, c := range k.golden {
		got, err := k.mask(c.Input)
		if err == nil && got != c.Output {
			err = fmt.Errorf("%q: got %q, want %q", c.Name, got, c.Output)
		}
		if err != nil {
			return k.add("golden cases", err, "")
		}
	}
	k.add("golden cases", nil, "%d", len(k.golden))
	cuts := 0
	for _, c := range k.golden {
		for i := 1; i < len(c.Input); i++ {
			got, err := k.mask(c.Input, i)
			if err == nil && got != c.Output {
				err = fmt.Errorf("%q cut at byte %d: got %q, want %q", c.Name, i, got, c.Output)
			}
			if err != nil {
				return k.add("split at every byte", err, "")
			}
			cuts++
		}
		all := make([]int, max(0, len(c.Input)-1))
		for i := range all {
			all[i] = i + 1
		}
		got, err := k.mask(c.Input, all...)
		if err == nil && got != c.Output {
			err = fmt.Errorf("%q byte by byte: got %q, want %q", c.Name, got, c.Output)
		}
		if err != nil {
			return k.add("split at every byte", err, "")
		}
	}
	return k.add("split at every byte", nil, "%d cuts, and byte by byte", cuts)
}

// reachable wants every rule in a golden output, and every keyword in an input.
func (k *kit) reachable() {
	var inputs, outputs strings.Builder
	for _, c := range k.golden {
		inputs.WriteString(c.Input + "\n")
		outputs.WriteString(c.Output + "\n")
	}
	words := 0
	for _, r := range k.manifest.Rules {
		if !strings.Contains(outputs.String(), rule.Marker(r.ID)) {
			k.add("keyword reachability", fmt.Errorf("no golden case finds rule %q", r.ID), "")
			return
		}
		for _, w := range r.Keywords {
			in := inputs.String()
			if r.NoCase {
				in, w = strings.ToLower(in), strings.ToLower(w)
			}
			if !strings.Contains(in, w) {
				k.add("keyword reachability", fmt.Errorf("rule %q: keyword %q is in no golden case", r.ID, w), "")
				return
			}
			words++
		}
	}
	k.add("keyword reachability", nil, "%d rules, %d keywords", len(k.manifest.Rules), words)
}

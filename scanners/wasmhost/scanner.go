package wasmhost

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Options say how to run a module. The zero value is right for masking.
type Options struct {
	Config   []byte           // JSON for ov_init; nil means {}
	FailOpen bool             // let a window pass when the module fails on it
	Report   func(Failure)    // told of each failure; may be called concurrently
	Log      func(l, c int32) // serves the import ov.log, which is refused if nil

	// Keep has Code return what a large module is compiled to. Code hands that in
	// again, vouching for it: it runs as machine code. An error, or code of another
	// module or engine, has the module compiled anew.
	Keep bool
	Code func() ([]byte, error)

	Interpreter bool // run on the slow engine, to compare
	Unmetered   bool // do not meter, to compare; never for a module that is not trusted

	now func() time.Time
}

// A Scanner is one module. It is safe for concurrent use.
type Scanner struct {
	source   func() ([]byte, error) // of a lazy scanner, until it is compiled
	wasm     []byte
	module   *module.Module
	manifest *manifest.Manifest
	options  Options
	rules    []scan.Rule
	failed   int // index in rules of the one that marks failures

	once    sync.Once // compiles at the first call
	program *program
	err     error

	hot  atomic.Pointer[instance]
	mu   sync.Mutex
	idle []*instance // beyond the hot one

	health health
	counts counts
}

var _ scan.Scanner = (*Scanner)(nil)

// Load reads a module: its structure, its manifest, its imports and exports, the
// limits of its code. It neither compiles nor runs any of it; that waits for the
// first keyword, or for Compile.
func Load(wasm []byte, o Options) (*Scanner, error) {
	m, err := module.Parse(wasm)
	if err != nil {
		return nil, err
	}
	man, err := manifest.Read(m)
	if err != nil {
		return nil, err
	}
	if err := admit(m, man, o); err != nil {
		return nil, fmt.Errorf("module %q: %w", man.Name, err)
	}
	s := newScanner(man, o)
	s.wasm, s.module = wasm, m
	return s, nil
}

// Lazy makes a scanner from a manifest that was read before. Its module is read
// from source, and held against the manifest, when a keyword is first seen; if
// that fails, what is seen is masked.
func Lazy(man *manifest.Manifest, source func() ([]byte, error), o Options) (*Scanner, error) {
	if err := man.Complete(); err != nil {
		return nil, err
	}
	s := newScanner(man, o)
	s.source = source
	return s, nil
}

func newScanner(man *manifest.Manifest, o Options) *Scanner {
	if o.now == nil {
		o.now = time.Now
	}
	s := &Scanner{manifest: man, options: o, rules: rules(man)}
	s.failed = len(s.rules) - 1
	return s
}

// fetch reads the module of a lazy scanner.
func (s *Scanner) fetch() error {
	if s.module != nil {
		return nil
	}
	wasm, err := s.source()
	if err != nil {
		return err
	}
	loaded, err := Load(wasm, s.options)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(loaded.manifest, s.manifest) {
		return fmt.Errorf("module %q has another manifest than it was installed with", s.manifest.Name)
	}
	s.wasm, s.module = wasm, loaded.module
	return nil
}

// Manifest returns what the module says about itself.
func (s *Scanner) Manifest() *manifest.Manifest { return s.manifest }

// Options returns how the module is run.
func (s *Scanner) Options() Options { return s.options }

// Rules returns the module's rules, and one more, without keywords, that marks
// failures. A module in stream mode has no keywords: see NewWriter.
func (s *Scanner) Rules() []scan.Rule {
	if s.manifest.Mode == manifest.Stream {
		return nil
	}
	return s.rules
}

// Check asks the module about a window. It waits for all that the rule wants to
// see, so that the answer does not depend on how the output was cut.
func (s *Scanner) Check(rule int, window []byte, at int, final bool) ([]scan.Span, bool) {
	if rule < 0 || rule >= s.failed || at < 0 || at > len(window) {
		return s.mask(0, len(window)), false
	}
	r := &s.manifest.Rules[rule]
	if len(window)-at < r.After {
		if !final {
			return nil, true
		}
	} else {
		window = window[:at+r.After]
	}
	if s.health.quarantined() {
		s.counts.masked.Add(1)
		return s.mask(at, len(window)), false
	}
	flags := FlagWindow | uint32(rule)<<8
	if final {
		flags |= FlagEnd
	}
	spans, err := s.ask(window, flags)
	if err == nil {
		return spans, false
	}
	s.fail(err)
	if s.options.FailOpen {
		return nil, false
	}
	return s.mask(0, len(window)), false
}

// mask returns the span of a failure.
func (s *Scanner) mask(from, to int) []scan.Span {
	if s.options.FailOpen {
		return nil
	}
	return []scan.Span{{Start: from, End: to, Rule: s.failed}}
}

// rules turns the manifest's rules into the engine's.
func rules(m *manifest.Manifest) []scan.Rule {
	var all []scan.Rule
	for _, r := range m.Rules {
		rule := scan.Rule{
			ID: r.ID, Keywords: r.Keywords, Fold: r.NoCase,
			Before: r.Before, Need: r.After, Tier: scan.Precise,
		}
		if r.Until != "" {
			rule.Max = scan.MaxWindow
			rule.Follow = until(r.Until)
		}
		all = append(all, rule)
	}
	return append(all, scan.Rule{ID: "scanner " + m.Name + " failed", Tier: scan.Precise, Plain: true, Mark: true})
}

// until carries an open span on to just before the end marker.
func until(marker string) func(uint32, []byte, bool) (int, uint32, bool) {
	end := []byte(marker)
	return func(_ uint32, b []byte, final bool) (int, uint32, bool) {
		if i := bytes.Index(b, end); i >= 0 {
			return i, 0, false
		}
		if final {
			return len(b), 0, false
		}
		return max(0, len(b)-len(end)+1), 0, true
	}
}

// Compile compiles and instantiates the module now, so that an error shows
// before there is output to mask.
func (s *Scanner) Compile() error {
	in, err := s.take()
	if err != nil {
		return err
	}
	s.put(in)
	return nil
}

// Close frees the module's memory. No call may be under way; calls after it
// fail, which masks.
func (s *Scanner) Close() error {
	s.once.Do(func() {}) // not to be compiled any more
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, in := range append(s.idle, s.hot.Swap(nil)) {
		if in != nil {
			in.close()
		}
	}
	s.idle, s.err = nil, errors.New("scanner is closed")
	if s.program == nil {
		return nil
	}
	return s.program.close()
}

// ask runs the module over a window and returns its spans.
func (s *Scanner) ask(window []byte, flags uint32) ([]scan.Span, error) {
	in, err := s.take()
	if err != nil {
		return nil, err
	}
	s.counts.calls.Add(1)
	spans, err := in.scan(window, flags)
	if err != nil {
		in.close() // it may be in any state
		if !in.worn(err) {
			return nil, err
		}
		s.counts.renewed.Add(1)
		if in, err = s.program.instantiate(s); err != nil {
			return nil, err
		}
		if spans, err = in.scan(window, flags); err != nil {
			in.close()
			return nil, err
		}
	}
	s.put(in)
	s.counts.spans.Add(int64(len(spans)))
	return spans, nil
}

// take returns an idle instance, or makes one.
func (s *Scanner) take() (*instance, error) {
	if in := s.hot.Swap(nil); in != nil {
		return in, nil
	}
	s.once.Do(func() { s.program, s.err = s.compile() })
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, s.err
	}
	if n := len(s.idle); n > 0 {
		in := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return in, nil
	}
	s.mu.Unlock()
	return s.program.instantiate(s)
}

// put gives an instance back.
func (s *Scanner) put(in *instance) {
	if s.hot.CompareAndSwap(nil, in) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil || len(s.idle) >= maxIdle {
		in.close()
		return
	}
	s.idle = append(s.idle, in)
}

// maxIdle instances are kept: two streams a command, some commands at once.
const maxIdle = 8

package wasmhost

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/meter"
)

// What a call may use. A unit of fuel is about an instruction, and takes 0.01 to
// 0.2 ns: whatever runs away is cut within 5 ms. Regular expressions in Go take
// up to 3,000 units a byte, hand-written loops in any language 20 to 140.
const (
	FuelCall = 8 << 20  // of each call
	FuelByte = 2 << 10  // and of each byte of its window
	FuelMost = 24 << 20 // of a call, however long its window is
	FuelInit = 16 << 20 // of all that runs before the first window
)

// Fuel is what a call over a window of n bytes may use.
func Fuel(n int) int64 { return min(FuelCall+FuelByte*int64(n), FuelMost) }

// The ways a guest fails.
var (
	ErrFuel   = errors.New("out of fuel")
	ErrStack  = errors.New("out of stack")
	ErrTrap   = errors.New("trapped")
	ErrResult = errors.New("reported an error of its own")
	ErrSpan   = errors.New("span is not within the window")
	ErrBufs   = errors.New("buffers are not within its memory")
)

// Flags of ov_scan; bits 8 to 15 are the rule whose keyword was seen.
const (
	FlagBegin  = 1
	FlagEnd    = 2
	FlagWindow = 4
)

const (
	spanSize = 16
	maxSpans = 1 << 10 // in one answer about a window
	flowSpan = 1 << 12 // and about a piece of a stream
	openSpan = 1       // flag of a span
)

// A program is a compiled module and the runtime that it lives in.
type program struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	kept     *kept // nil if no code is kept
	cache    wazero.CompilationCache
	metered  bool
}

// compile makes the module ready to run, metered.
func (s *Scanner) compile() (*program, error) {
	ctx := context.Background()
	if err := s.fetch(); err != nil {
		return nil, err
	}
	config := settings(wazero.NewRuntimeConfig()) // compiles where the engine has a compiler
	if s.options.Interpreter {
		config = settings(wazero.NewRuntimeConfigInterpreter())
	}
	p := &program{metered: !s.options.Unmetered}
	if k := s.keep(); k != nil {
		if p.cache = k.engine.open(); p.cache != nil {
			p.kept, config = k, config.WithCompilationCache(p.cache)
		}
	}
	code, err := s.code(ctx, p.kept)
	if err != nil {
		return nil, err
	}
	p.runtime = wazero.NewRuntimeWithConfig(ctx, config.WithMemoryLimitPages(uint32(s.manifest.MemoryPages)))
	if err = s.imports(ctx, p.runtime); err == nil {
		p.compiled, err = p.runtime.CompileModule(ctx, code)
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("compile module: %w", err)
	}
	if p.kept != nil {
		p.kept.metered = code
	}
	return p, nil
}

// code returns what to compile. The module is validated as it came, so that no
// index in it can come to mean something that metering adds, and metered then.
func (s *Scanner) code(ctx context.Context, kept *kept) ([]byte, error) {
	switch {
	case s.options.Unmetered:
		return s.wasm, nil
	case kept != nil && kept.metered != nil:
		return kept.metered, nil
	}
	if err := validate(ctx, s.wasm); err != nil {
		return nil, err
	}
	return meter.Rewrite(s.module, limits(s.manifest))
}

func settings(c wazero.RuntimeConfig) wazero.RuntimeConfig {
	return c.WithCoreFeatures(api.CoreFeaturesV2).WithDebugInfoEnabled(false).WithCustomSections(false)
}

// validate has the engine check every type and index of the module.
func validate(ctx context.Context, wasm []byte) error {
	r := wazero.NewRuntimeWithConfig(ctx, settings(wazero.NewRuntimeConfigInterpreter()).WithMemoryLimitPages(manifest.MaxPages))
	defer r.Close(ctx)
	if _, err := r.CompileModule(ctx, wasm); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	return nil
}

// imports gives the runtime what the module imports, and no more.
func (s *Scanner) imports(ctx context.Context, r wazero.Runtime) error {
	need := map[string]bool{}
	for _, i := range s.module.Imports {
		need[i.Module] = true
	}
	if need[wasiModule] {
		if err := instantiateWASI(ctx, r); err != nil {
			return err
		}
	}
	if need["ov"] {
		log := s.options.Log
		_, err := r.NewHostModuleBuilder("ov").NewFunctionBuilder().
			WithFunc(func(l, c int32) { log(l, c) }).Export("log").Instantiate(ctx)
		return err
	}
	return nil
}

func (p *program) close() error {
	err := p.runtime.Close(context.Background())
	if p.cache != nil {
		err = errors.Join(err, p.cache.Close(context.Background()))
	}
	return err
}

// An instance is one guest with its memory. It serves one call at a time.
type instance struct {
	module  api.Module
	call    api.Function
	fuel    api.MutableGlobal // nil if not metered
	stack   api.Global
	rules   uint32
	open    []bool // by rule: an open span has an end
	in, out uint32
	inCap   uint32
	most    uint32 // spans in an answer
	args    [2]uint64

	calls, shown int // windows that it was shown, and their bytes
}

// So much a guest must have been shown before a failure may be its age: one that
// never frees memory has none left, or a garbage collection was due and took the
// fuel of the call that it fell on.
const (
	wornCalls = 256
	wornShown = 1 << 20
)

// worn reports whether a new guest may do better on the same window. Its answer
// is the same if it has one, for guests are pure.
func (in *instance) worn(err error) bool {
	return (in.calls >= wornCalls || in.shown >= wornShown) && (errors.Is(err, ErrFuel) || errors.Is(err, ErrTrap))
}

// instantiate makes a guest ready for its first window.
func (p *program) instantiate(s *Scanner) (in *instance, err error) {
	defer catch(&err)
	ctx := withMemory(context.Background())
	m, err := p.runtime.InstantiateModule(ctx, p.compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		return nil, fmt.Errorf("instantiate: %w", err)
	}
	in = &instance{module: m, call: m.ExportedFunction("ov_scan"), rules: uint32(len(s.manifest.Rules))}
	for _, r := range s.manifest.Rules {
		in.open = append(in.open, r.Until != "")
	}
	if p.metered {
		in.fuel = m.ExportedGlobal(meter.Fuel).(api.MutableGlobal)
		in.stack = m.ExportedGlobal(meter.Stack)
		in.fuel.Set(FuelInit)
	}
	if err := in.start(s); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// start runs what a module may run before its first window.
func (in *instance) start(s *Scanner) error {
	ctx := context.Background()
	if f := in.module.ExportedFunction("_initialize"); f != nil {
		if _, err := f.Call(ctx); err != nil {
			return fmt.Errorf("_initialize: %w", in.cause(err))
		}
	}
	in.inCap, in.most = uint32(max(s.manifest.MaxWindow, minConfig)), maxSpans
	if s.manifest.Mode == manifest.Stream {
		in.inCap, in.most = scan.MaxWindow, flowSpan
	}
	outCap := in.most * spanSize
	r, err := in.module.ExportedFunction("ov_bufs").Call(ctx, uint64(in.inCap), uint64(outCap))
	if err != nil {
		return fmt.Errorf("ov_bufs: %w", in.cause(err))
	}
	in.in, in.out = uint32(r[0]>>32), uint32(r[0])
	mem := in.module.Memory()
	_, ok := mem.Read(in.in, in.inCap)
	_, ok2 := mem.Read(in.out, outCap)
	apart := uint64(in.in)+uint64(in.inCap) <= uint64(in.out) || uint64(in.out)+uint64(outCap) <= uint64(in.in)
	if !ok || !ok2 || !apart || in.in == 0 || in.out == 0 {
		return fmt.Errorf("ov_bufs: %w", ErrBufs)
	}
	if f := in.module.ExportedFunction("ov_init"); f != nil {
		return in.configure(f, s.options.Config)
	}
	return nil
}

// minConfig is what an input buffer has at least, for the configuration.
const minConfig = 4 << 10

func (in *instance) configure(f api.Function, config []byte) error {
	if config == nil {
		config = []byte("{}")
	}
	if len(config) > int(in.inCap) || !in.module.Memory().Write(in.in, config) {
		return fmt.Errorf("ov_init: configuration of %d bytes is larger than %d", len(config), in.inCap)
	}
	r, err := f.Call(context.Background(), uint64(len(config)))
	if err != nil {
		return fmt.Errorf("ov_init: %w", in.cause(err))
	}
	if code := int32(r[0]); code < 0 {
		return fmt.Errorf("ov_init: %w: %d", ErrResult, code)
	}
	return nil
}

// scan shows the guest a window. After an error the instance is of no use.
func (in *instance) scan(window []byte, flags uint32) (spans []scan.Span, err error) {
	defer catch(&err)
	n := uint32(len(window))
	buf, ok := in.module.Memory().Read(in.in, in.inCap)
	if !ok || n > in.inCap {
		return nil, ErrBufs
	}
	copy(buf, window)
	if in.fuel != nil {
		in.fuel.Set(uint64(Fuel(len(window))))
	}
	in.calls, in.shown = in.calls+1, in.shown+len(window)
	in.args = [2]uint64{uint64(n), uint64(flags)}
	if err := in.call.CallWithStack(context.Background(), in.args[:]); err != nil {
		return nil, in.cause(err)
	}
	count := int32(in.args[0])
	if buf, ok = in.module.Memory().Read(in.in, n); !ok { // it may have moved
		return nil, ErrBufs
	}
	clear(buf)
	switch {
	case count == 0:
		return nil, nil
	case count < 0:
		return nil, fmt.Errorf("%w: %d", ErrResult, count)
	case uint32(count) > in.most:
		return nil, fmt.Errorf("%w: %d spans are more than %d", ErrSpan, count, in.most)
	}
	return in.spans(int(count), n)
}

// spans reads the answer. One span that is wrong spoils it.
func (in *instance) spans(count int, n uint32) ([]scan.Span, error) {
	b, ok := in.module.Memory().Read(in.out, uint32(count)*spanSize)
	if !ok {
		return nil, ErrBufs
	}
	spans := make([]scan.Span, 0, count)
	for ; len(b) > 0; b = b[spanSize:] {
		at, length := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		rule, flags := uint32(binary.LittleEndian.Uint16(b[8:])), binary.LittleEndian.Uint32(b[12:])
		switch {
		case at > n || length > n-at:
			return nil, fmt.Errorf("%w: [%d, +%d) of %d", ErrSpan, at, length, n)
		case length == 0 && flags&openSpan == 0:
			return nil, fmt.Errorf("%w: it is empty", ErrSpan)
		case rule >= in.rules:
			return nil, fmt.Errorf("%w: rule %d of %d", ErrSpan, rule, in.rules)
		case b[10] > 4 || b[11] > 100 || flags > openSpan:
			return nil, fmt.Errorf("%w: severity %d, confidence %d, flags %#x", ErrSpan, b[10], b[11], flags)
		case flags&openSpan != 0 && !in.open[rule]:
			return nil, fmt.Errorf("%w: it is open, its rule has no end", ErrSpan)
		}
		spans = append(spans, scan.Span{
			Start: int(at), End: int(at + length), Rule: int(rule), Open: flags&openSpan != 0,
		})
	}
	return spans, nil
}

// cause finds out why a guest trapped. The engine's own words may hold the
// guest's, so only their first line goes on.
func (in *instance) cause(err error) error {
	switch {
	case errors.Is(err, errExit):
		return fmt.Errorf("%w: it exited", ErrTrap)
	case in.fuel != nil && int64(in.fuel.Get()) < 0:
		return ErrFuel
	case in.stack != nil && int32(in.stack.Get()) < 0:
		return ErrStack
	}
	return fmt.Errorf("%w: %s", ErrTrap, firstLine(err))
}

func (in *instance) close() {
	in.module.Close(context.Background())
}

// catch turns a panic of the engine into a failure of the guest.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: engine: %v", ErrTrap, p)
	}
}

// sortSpans puts spans in order of their start.
func sortSpans(spans []scan.Span) {
	slices.SortStableFunc(spans, func(a, b scan.Span) int { return cmp.Compare(a.Start, b.Start) })
}

package wasmhost

import (
	"github.com/opaquevault/ov/core/scan"
)

// A Probe is one guest of its own, for tests of a module: it shows what Check
// hides.
type Probe struct {
	s  *Scanner
	in *instance
}

// An Answer is what a guest said about a window, and what it took.
type Answer struct {
	Spans  []scan.Span
	Raw    []byte // the spans as the guest wrote them
	Fuel   int64  // units, 0 if not metered
	Memory int    // bytes that the guest has by now
}

// Probe makes a new guest.
func (s *Scanner) Probe() (*Probe, error) {
	s.once.Do(func() { s.program, s.err = s.compile() })
	if s.err != nil {
		return nil, s.err
	}
	in, err := s.program.instantiate(s)
	if err != nil {
		return nil, err
	}
	return &Probe{s, in}, nil
}

// Ask shows the guest a window. The rest of the input buffer is filled with
// poison, which must not matter. After an error the guest is of no use. An old
// guest is replaced, as under Check.
func (p *Probe) Ask(window []byte, flags uint32, poison byte) (Answer, error) {
	a, err := p.ask(window, flags, poison)
	if err == nil || !p.in.worn(err) {
		return a, err
	}
	fresh, err := p.s.program.instantiate(p.s)
	if err != nil {
		return Answer{}, err
	}
	p.in.close()
	p.in = fresh
	return p.ask(window, flags, poison)
}

func (p *Probe) ask(window []byte, flags uint32, poison byte) (Answer, error) {
	mem := p.in.module.Memory()
	buf, ok := mem.Read(p.in.in, p.in.inCap)
	if !ok || len(window) > len(buf) {
		return Answer{}, ErrBufs
	}
	for i := len(window); i < len(buf); i++ {
		buf[i] = poison
	}
	spans, err := p.in.scan(window, flags)
	a := Answer{Spans: spans, Memory: int(mem.Size())}
	if err == nil {
		raw, _ := mem.Read(p.in.out, uint32(len(spans)*spanSize))
		a.Raw = append(a.Raw, raw...)
	}
	if p.in.fuel != nil {
		a.Fuel = Fuel(len(window)) - int64(p.in.fuel.Get())
	}
	return a, err
}

// Close frees the guest.
func (p *Probe) Close() { p.in.close() }

// Direct shows the guest a window as Check does, for timing.
func (p *Probe) Direct(window []byte, flags uint32) ([]scan.Span, error) {
	return p.in.scan(window, flags)
}

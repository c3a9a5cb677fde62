package meter

import "github.com/opaquevault/ov/scanners/wasmhost/module"

// RewriteExact is Rewrite with a charge before each single instruction: what a
// program really runs, to hold against what it pays.
func RewriteExact(m *module.Module, l Limits) ([]byte, error) {
	w := &rewriter{m: m, limits: l, types: append([]module.FuncType(nil), m.Types...)}
	w.fuel = uint32(m.ImportedGlobals() + len(m.Globals))
	w.stack = w.fuel + 1
	imported := uint32(m.ImportedFuncs())
	b := module.AppendU32(nil, uint32(len(m.Bodies)))
	for i, body := range m.Bodies {
		p := plan{charges: map[int]charge{}}
		p.size(body, imported)
		p.entry = 0 // locals are not instructions
		last := -1
		for d := module.Decode(body.Code); d.Next(); {
			if last < 0 {
				p.entry = cost(d.Instr, imported)
			} else {
				p.charges[last] = charge{cost: cost(d.Instr, imported)}
			}
			last = d.Instr.End
		}
		t, _ := m.FuncType(imported + uint32(i))
		e := w.body(body, module.FuncType{Results: t.Results, Params: t.Params}, p)
		b = append(module.AppendU32(b, uint32(len(e))), e...)
	}
	return w.assemble(b), nil
}

// Package conform is the conformance kit: what a scanner module must do to be
// worth installing, each as a check with a name. `ov scanner test` prints it.
package conform

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"text/tabwriter"

	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// Options say how hard to look.
type Options struct {
	Windows int    // fuzzed windows; 0 means 10,000
	Seed    uint64 // of the windows; the same seed gives the same ones
	Config  []byte // JSON for ov_init
	Log     func(level, code int32)
}

// A Row is one check.
type Row struct {
	Check  string
	Failed bool
	Detail string
}

// A Report is all checks of a module, in order.
type Report struct {
	Name string
	Rows []Row
}

// Passed reports whether no check failed.
func (r *Report) Passed() bool {
	for _, row := range r.Rows {
		if row.Failed {
			return false
		}
	}
	return len(r.Rows) > 0
}

// Print writes the report as a table.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range r.Rows {
		word := "ok"
		if row.Failed {
			word = "FAIL"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", row.Check, word, row.Detail)
	}
	return t.Flush()
}

// A kit is the module under test, run in four ways.
type kit struct {
	options  Options
	manifest *manifest.Manifest
	golden   []manifest.Case
	report   *Report
	scanner  *wasmhost.Scanner // as it will run
	others   []variant         // it must agree with
	rand     *rand.Rand
}

type variant struct {
	name    string
	scanner *wasmhost.Scanner
}

// Run tests a module. It stops at the first check that leaves nothing to test.
func Run(wasm []byte, o Options) *Report {
	if o.Windows == 0 {
		o.Windows = 10_000
	}
	if o.Log == nil {
		o.Log = func(int32, int32) {}
	}
	k := &kit{options: o, report: &Report{}, rand: rand.New(rand.NewPCG(o.Seed, 1))}
	if !k.open(wasm) {
		return k.report
	}
	defer k.close()
	if !k.goldenCases() {
		return k.report
	}
	k.reachable()
	k.purity()
	k.fuzz()
	k.speed()
	return k.report
}

func (k *kit) add(check string, err error, detail string, args ...any) bool {
	row := Row{Check: check, Failed: err != nil, Detail: fmt.Sprintf(detail, args...)}
	if err != nil {
		row.Detail = strings.TrimSpace(err.Error())
	}
	k.report.Rows = append(k.report.Rows, row)
	return err == nil
}

// open loads and compiles the module in each way.
func (k *kit) open(wasm []byte) bool {
	o := wasmhost.Options{Config: k.options.Config, Log: k.options.Log}
	load := func(interpreter, unmetered bool) (*wasmhost.Scanner, error) {
		o := o
		o.Interpreter, o.Unmetered = interpreter, unmetered
		s, err := wasmhost.Load(wasm, o)
		if err == nil {
			err = s.Compile()
		}
		return s, err
	}
	s, err := wasmhost.Load(wasm, o)
	if err != nil {
		return k.add("manifest, imports, limits", err, "")
	}
	k.scanner, k.manifest = s, s.Manifest()
	k.report.Name = k.manifest.Name
	m, err := module.Parse(wasm)
	if err == nil {
		k.golden, err = manifest.Golden(m)
	}
	if !k.add("manifest, imports, limits", err, "%s %s, %s mode, %d rules, %d imports",
		k.manifest.Name, k.manifest.Version, k.manifest.Mode, len(k.manifest.Rules), len(m.Imports)) {
		return false
	}
	for _, note := range k.manifest.Lint() {
		k.add("note", nil, "%s", note)
	}
	if !k.add("validates, compiles, starts", s.Compile(), "%d bytes", len(wasm)) {
		return false
	}
	for _, v := range []struct {
		name                   string
		interpreter, unmetered bool
	}{{"metered against unmetered", false, true}, {"compiler against interpreter", true, false}} {
		s, err := load(v.interpreter, v.unmetered)
		if err != nil {
			return k.add(v.name, err, "")
		}
		k.others = append(k.others, variant{v.name, s})
	}
	return true
}

func (k *kit) close() {
	k.scanner.Close()
	for _, v := range k.others {
		v.scanner.Close()
	}
}

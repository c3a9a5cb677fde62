package leaktest

import (
	"bytes"
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/opaquevault/ov/core/encode"
	"github.com/opaquevault/ov/core/redact"
)

func canaries() Canaries { return NewCanaries(rand.New(rand.NewPCG(11, 12))) }

var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]")

// squeeze returns the squeezed view of text, and where each of its bytes is.
func squeeze(text []byte) (view []byte, at []int) {
	skip := make([]bool, len(text))
	for _, m := range ansi.FindAllIndex(text, -1) {
		for i := m[0]; i < m[1]; i++ {
			skip[i] = true
		}
	}
	for i, c := range text {
		if !skip[i] && !encode.Separator(c) {
			view, at = append(view, encode.Squeeze(c)), append(at, i)
		}
	}
	return view, at
}

// reference masks text as the lanes are defined, slowly: it shows what the forms
// of package encode can do, whatever the engine makes of them.
func reference(secrets []redact.Needle, lanes redact.Lanes, text []byte) []bool {
	masked := make([]bool, len(text))
	plain := func(p []byte) {
		each(text, p, func(i int) { fill(masked[i : i+len(p)]) })
	}
	view, at := squeeze(text)
	squeezed := func(p []byte) {
		each(view, p, func(i int) { fill(masked[at[i] : at[i+len(p)-1]+1]) })
	}
	forms := func(all []encode.Form, least int, find func([]byte)) {
		for _, f := range all {
			find(f.Bytes)
			if n := f.Window(f.Row(least)); lanes&redact.Fragments != 0 {
				for i, ok := range f.Specific(n) {
					if ok {
						find(f.Bytes[i : i+n])
					}
				}
			}
		}
	}
	for _, n := range secrets {
		v := n.Value.Reveal()
		if lanes&redact.Exact != 0 {
			forms(encode.Exact(v), 12, plain)
		}
		if lanes&redact.Encoded != 0 {
			forms(encode.Encoded(v), 12, plain)
		}
		if lanes&redact.Squeezed != 0 {
			forms(encode.Squeezed(v), 16, squeezed)
		}
	}
	return masked
}

func each(text, p []byte, f func(i int)) {
	for i := 0; ; i++ {
		j := bytes.Index(text[i:], p)
		if j < 0 {
			return
		}
		i += j
		f(i)
	}
}

func fill(p []bool) {
	for i := range p {
		p[i] = true
	}
}

// show prints a text with what is wrong about its masking: left and extra.
func (t Text) show(masked []bool) string {
	var b bytes.Buffer
	last := ""
	for i, c := range t.Text {
		now := ""
		switch {
		case t.Must[i] && !masked[i]:
			now = "LEFT:"
		case masked[i] && !t.May[i]:
			now = "EXTRA:"
		case masked[i]:
			now = "ok:"
		}
		if now != last {
			b.WriteString("«" + now)
			last = now
		}
		b.WriteByte(c)
	}
	return b.String()
}

// TestReference: the forms catch every shape in the lane that the table says,
// and mask nothing around it.
func TestReference(t *testing.T) {
	c := canaries()
	for _, s := range Shapes() {
		if s.rows { // the view of rows has its oracle beside the engine
			continue
		}
		text := Parse(s.Print(c))
		masked := reference(c.Needles(), redact.All, text.Text)
		if left, extra := text.Compare(masked); left > 0 || extra > 0 {
			t.Errorf("%s (%s): %d bytes left, %d too many: %.600q", s.Name, s.Lane, left, extra, text.show(masked))
		}
		alone := reference(c.Needles(), s.Lane, text.Text)
		if left, extra := text.Compare(alone); s.Lane != redact.Fragments && (left > 0 || extra > 0) { // alone they need a lane to cut
			t.Errorf("%s: without the other lanes %d bytes left, %d too many: %.600q", s.Name, left, extra, text.show(alone))
		}
	}
}

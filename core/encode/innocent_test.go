package encode

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/redact/leaktest/innocent"
)

func vault() [][]byte {
	var all [][]byte
	for _, s := range innocent.Vault() {
		all = append(all, []byte(s.Value))
	}
	return all
}

// A pattern is something that would be masked.
type pattern struct {
	secret int
	kind   string
	bytes  []byte
}

// An index finds patterns by their first eight bytes.
type index struct {
	filter [1 << 16]bool
	table  map[uint64][]pattern
}

func (x *index) add(p pattern) {
	k := binary.LittleEndian.Uint64(p.bytes)
	x.filter[k*0x9e3779b97f4a7c15>>48] = true
	x.table[k] = append(x.table[k], p)
}

// find calls f for each pattern in text.
func (x *index) find(text []byte, f func(p pattern, at int)) {
	for i := 0; i+8 <= len(text); i++ {
		k := binary.LittleEndian.Uint64(text[i:])
		if !x.filter[k*0x9e3779b97f4a7c15>>48] {
			continue
		}
		for _, p := range x.table[k] {
			if bytes.HasPrefix(text[i:], p.bytes) {
				f(p, i)
			}
		}
	}
}

// views returns the indexes of what is masked in the stream as it is, and in
// its squeezed view: every form and every specific fragment.
func views(secrets [][]byte) (plain, squeezed *index) {
	plain, squeezed = &index{table: map[uint64][]pattern{}}, &index{table: map[uint64][]pattern{}}
	for i, v := range secrets {
		s := New(v)
		for _, f := range append(s.Exact(), s.Encoded()...) {
			plain.form(i, f)
		}
		for _, f := range s.Squeezed() {
			squeezed.form(i, f)
		}
	}
	return plain, squeezed
}

func (x *index) form(secret int, f Form) {
	if f.Word {
		return // their boundaries are the matcher's business
	}
	x.add(pattern{secret, f.Kind, f.Bytes})
	n := f.Window(12)
	for i, specific := range f.Specific(n) {
		if specific {
			x.add(pattern{secret, f.Kind + " fragment", f.Bytes[i : i+n]})
		}
	}
}

var ansi = regexp.MustCompile("\x1b\\[[0-9;?]*[ -/]*[@-~]")

func squeezedView(text []byte) []byte {
	view := slices.DeleteFunc(ansi.ReplaceAll(text, nil), Separator)
	for i, c := range view {
		view[i] = Squeeze(c)
	}
	return view
}

// TestInnocent: nothing of a vault of 50 secrets is found in output that holds
// none of them, however often it names their hosts and shows their kin.
func TestInnocent(t *testing.T) {
	secrets := vault()
	if len(secrets) != 50 {
		t.Fatalf("%d secrets, want 50", len(secrets))
	}
	plain, squeezed := views(secrets)
	texts := map[string][]byte{}
	if err := innocent.Corpus(func(name string, text []byte) error { texts[name] = text; return nil }); err != nil {
		t.Fatal(err)
	}
	if len(texts) < 10 {
		t.Fatalf("%d files in the corpus: the test looks in the wrong place", len(texts))
	}
	var b bytes.Buffer
	size := int64(4 << 20)
	if testing.Short() {
		size = 1 << 20
	}
	if err := innocent.Write(&b, size, 1); err != nil {
		t.Fatal(err)
	}
	texts["generated"] = b.Bytes()
	for name, text := range texts {
		report := func(view string, text []byte) func(pattern, int) {
			return func(p pattern, at int) {
				t.Errorf("%s, %s: %q (%s of %.60q) in %q", name, view, p.bytes, p.kind, secrets[p.secret], text[max(0, at-20):min(len(text), at+len(p.bytes)+20)])
			}
		}
		plain.find(text, report("plain", text))
		view := squeezedView(text)
		squeezed.find(view, report("squeezed", view))
	}
}

// TestGuilty: the same search finds each secret of the vault in each of its
// spellings, so that TestInnocent can fail.
func TestGuilty(t *testing.T) {
	secrets := vault()
	plain, squeezed := views(secrets)
	for i, v := range secrets {
		s := New(v)
		for _, c := range []struct {
			x     *index
			forms []Form
		}{{plain, append(s.Exact(), s.Encoded()...)}, {squeezed, s.Squeezed()}} {
			for _, f := range c.forms {
				found := false
				c.x.find(append([]byte("log: "), f.Bytes...), func(p pattern, at int) { found = found || p.secret == i && at == 5 && len(p.bytes) == len(f.Bytes) })
				if !found {
					t.Errorf("%s of secret %d is not found", f.Kind, i)
				}
			}
		}
	}
}

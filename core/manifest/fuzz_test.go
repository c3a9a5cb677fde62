package manifest

import (
	"bytes"
	"testing"
)

// What parses is written back as it was: neither a manifest nor a principal has
// two spellings, and nothing panics.
func FuzzParse(f *testing.F) {
	m, key := newManifest()
	f.Add(sign(m, key, nil))
	f.Add(m.Body())
	f.Add(newPrincipal().Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, ok := parseBody(data); ok && !bytes.Equal(m.Body(), data) {
			t.Error("a manifest has two spellings")
		}
		if m, err := Parse(data); err == nil {
			_ = m.Follows(data, m, data)
		}
		if p, err := ParsePrincipal(data); err == nil && !bytes.Equal(p.Encode(), data) {
			t.Error("a principal has two spellings")
		}
	})
}

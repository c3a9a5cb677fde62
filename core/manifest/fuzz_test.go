package manifest

import (
	"bytes"
	"slices"
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

// Whatever a member signs, what follows changes nothing but the roots of his
// environments, which hold more than before.
func FuzzWriterFollows(f *testing.F) {
	s := newShared(nil)
	f.Add(s.next(nil).Body())
	f.Add(s.prev.Body())
	for _, edits := range manifestAttacks() {
		for _, edit := range edits {
			f.Add(s.next(edit).Body())
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, ok := parseBody(body)
		if !ok {
			return
		}
		if _, follows := s.follows(m); !follows {
			return
		}
		if m.Seq != s.prev.Seq+1 || m.Time < s.prev.Time || m.Time >= s.writer.NotAfter || len(m.Purged) > 0 || m.Reset || m.Floor != s.prev.Floor || m.EnvKeys != s.prev.EnvKeys {
			t.Errorf("it follows: %+v", m)
		}
		for _, same := range []bool{
			slices.Equal(m.Slots, s.prev.Slots), slices.Equal(m.Devices, s.prev.Devices), slices.Equal(m.Blobs, s.prev.Blobs),
			slices.Equal(m.Members, s.prev.Members), slices.Equal(m.Machines, s.prev.Machines), len(m.Groups) == len(s.prev.Groups),
			m.Groups[0] == s.prev.Groups[0], m.Groups[2] == s.prev.Groups[2], m.Groups[1].Env == envMine,
			m.Groups[1] == s.prev.Groups[1] || m.Groups[1].Count > s.prev.Groups[1].Count,
		} {
			if !same {
				t.Errorf("it follows: %+v", m)
			}
		}
	})
}

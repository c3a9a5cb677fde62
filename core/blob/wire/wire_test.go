package wire

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"github.com/opaquevault/ov/core/blob"
)

func key(n byte) blob.Key { return blob.Key{Kind: n, ID: [32]byte{n, 31: 9}, Version: 1 << 60} }

func record(n byte) blob.Record {
	return blob.Record{Key: key(n), Group: [16]byte{n}, Sum: [32]byte{n}, Data: bytes.Repeat([]byte{n}, int(n))}
}

func newCommit() *Commit {
	return &Commit{
		Commit:  blob.Commit{Base: 1, Seq: 2, Manifest: []byte("m"), Put: []blob.Record{record(0), record(3)}, Purge: []blob.Key{key(4)}, Reset: true},
		Locator: [16]byte{5}, Upload: [16]byte{6}, Parts: 7,
	}
}

// Each form comes back as it was; cut anywhere or with a byte more it is refused.
func TestRoundTrip(t *testing.T) {
	entry := blob.Entry{Key: key(1), Group: [16]byte{2}, Sum: [32]byte{3}, Seq: 4}
	for _, c := range []struct {
		what  string
		data  []byte
		want  any
		parse func([]byte) (any, error)
	}{
		{"keys", EncodeKeys([]blob.Key{key(1), key(2)}), []blob.Key{key(1), key(2)}, func(b []byte) (any, error) { return ParseKeys(b) }},
		{"entries", EncodeEntries([]blob.Entry{entry, entry}), []blob.Entry{entry, entry}, func(b []byte) (any, error) { return ParseEntries(b) }},
		{"records", EncodeRecords([]blob.Record{record(0), record(5)}), []blob.Record{record(0), record(5)}, func(b []byte) (any, error) { return ParseRecords(b) }},
		{"commit", newCommit().Encode(), newCommit(), func(b []byte) (any, error) { return ParseCommit(b) }},
	} {
		got, err := c.parse(c.data)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.what, got, err)
		}
		for n := range c.data {
			if _, err := c.parse(c.data[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut at %d: %v", c.what, n, err)
			}
		}
		if _, err := c.parse(append(bytes.Clone(c.data), 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte more: %v", c.what, err)
		}
		other := bytes.Clone(c.data)
		other[0]++
		if _, err := c.parse(other); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s of another version: %v", c.what, err)
		}
	}
}

func TestStreamedEntries(t *testing.T) {
	e := blob.Entry{Key: key(1), Seq: 2}
	b := AppendEntry(AppendEntry(EntriesHeader(2), e), e)
	if !bytes.Equal(b, EncodeEntries([]blob.Entry{e, e})) {
		t.Error("a streamed list differs from one that is encoded whole")
	}
}

func TestSizes(t *testing.T) {
	r := record(200)
	if got := len(EncodeRecords([]blob.Record{r})) - len(EncodeRecords(nil)); got != RecordSize(&r) {
		t.Errorf("%d bytes, RecordSize says %d", got, RecordSize(&r))
	}
}

func FuzzParse(f *testing.F) {
	f.Add(newCommit().Encode())
	f.Add(EncodeKeys([]blob.Key{key(1)}))
	f.Add(EncodeRecords([]blob.Record{record(1)}))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseCommit(data); err == nil && !bytes.Equal(c.Encode(), data) {
			t.Error("a commit has two spellings")
		}
		if k, err := ParseKeys(data); err == nil && !bytes.Equal(EncodeKeys(k), data) {
			t.Error("a list of keys has two spellings")
		}
		if e, err := ParseEntries(data); err == nil && !bytes.Equal(EncodeEntries(e), data) {
			t.Error("a list of entries has two spellings")
		}
		if r, err := ParseRecords(data); err == nil && !bytes.Equal(EncodeRecords(r), data) {
			t.Error("a list of records has two spellings")
		}
	})
}

// Package wire is the bytes that ov and ov-server exchange: entries, records
// and commits. All numbers are big-endian. A reader refuses what is cut, what is
// left over, and a count that the rest of the input cannot hold.
//
//	key     kind[1] id[32] version[8]
//	entry   key group[16] sum[32] seq[8]
//	record  key group[16] sum[32] LP(data)
//	list    1 n[4] n*item
//	commit  1 base[8] seq[8] reset[1] locator[16] upload[16] parts[4] LP(manifest) n[4] n*key m[4] m*record
package wire

import (
	"encoding/binary"
	"errors"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/lp"
)

// Limits of one request.
const (
	MaxBody    = 16 << 20 // bytes
	MaxRecords = 1000
	MaxRecord  = 4 << 20 // bytes of one record's data
	MaxKeys    = 1000    // keys of one read
)

// ErrMalformed says that bytes are not what they should be.
var ErrMalformed = errors.New("malformed body")

const (
	version    = 1
	keySize    = 1 + 32 + 8
	labelSize  = keySize + 16 + 32
	entrySize  = labelSize + 8
	recordSize = labelSize + 4
)

func appendKey(b []byte, k blob.Key) []byte {
	b = append(b, k.Kind)
	b = append(b, k.ID[:]...)
	return binary.BigEndian.AppendUint64(b, k.Version)
}

func readKey(r *lp.Reader) (k blob.Key) {
	k.Kind = r.U8()
	copy(k.ID[:], r.Take(32))
	k.Version = r.U64()
	return k
}

// EncodeKeys returns the list of keys.
func EncodeKeys(keys []blob.Key) []byte {
	b := header(len(keys), keySize)
	for _, k := range keys {
		b = appendKey(b, k)
	}
	return b
}

// ParseKeys undoes EncodeKeys.
func ParseKeys(data []byte) ([]blob.Key, error) {
	return parseList(data, keySize, readKey)
}

// AppendEntry appends one entry.
func AppendEntry(b []byte, e blob.Entry) []byte {
	b = appendKey(b, e.Key)
	b = append(b, e.Group[:]...)
	b = append(b, e.Sum[:]...)
	return binary.BigEndian.AppendUint64(b, e.Seq)
}

// EntriesHeader begins a list of n entries, which AppendEntry continues.
func EntriesHeader(n int) []byte { return header(n, 0) }

// EncodeEntries returns the list of entries.
func EncodeEntries(entries []blob.Entry) []byte {
	b := header(len(entries), entrySize)
	for _, e := range entries {
		b = AppendEntry(b, e)
	}
	return b
}

// ParseEntries undoes EncodeEntries.
func ParseEntries(data []byte) ([]blob.Entry, error) {
	return parseList(data, entrySize, func(r *lp.Reader) (e blob.Entry) {
		e.Key = readKey(r)
		copy(e.Group[:], r.Take(16))
		copy(e.Sum[:], r.Take(32))
		e.Seq = r.U64()
		return e
	})
}

func appendRecord(b []byte, rec *blob.Record) []byte {
	b = appendKey(b, rec.Key)
	b = append(b, rec.Group[:]...)
	b = append(b, rec.Sum[:]...)
	return lp.Append(b, rec.Data)
}

func readRecord(r *lp.Reader) (rec blob.Record) {
	rec.Key = readKey(r)
	copy(rec.Group[:], r.Take(16))
	copy(rec.Sum[:], r.Take(32))
	if rec.Data = r.Field(); rec.Data == nil {
		rec.Data = []byte{}
	}
	return rec
}

// RecordSize is how many bytes rec takes in a list or a commit.
func RecordSize(rec *blob.Record) int { return recordSize + len(rec.Data) }

// EncodeRecords returns the list of records.
func EncodeRecords(recs []blob.Record) []byte {
	n := 0
	for i := range recs {
		n += RecordSize(&recs[i])
	}
	b := append(make([]byte, 0, n+5), header(len(recs), 0)...)
	for i := range recs {
		b = appendRecord(b, &recs[i])
	}
	return b
}

// ParseRecords undoes EncodeRecords. The data lie in the input.
func ParseRecords(data []byte) ([]blob.Record, error) {
	return parseList(data, recordSize, readRecord)
}

// A Commit is a blob.Commit on its way to a server.
type Commit struct {
	blob.Commit
	Locator [16]byte // of a vault's first commit: how a recovery kit finds it
	Upload  [16]byte // where records were put before; they come before Put
	Parts   uint32   // how many parts of the upload belong to the commit
}

// Encode returns the bytes of c.
func (c *Commit) Encode() []byte {
	b := []byte{version}
	b = binary.BigEndian.AppendUint64(b, c.Base)
	b = binary.BigEndian.AppendUint64(b, c.Seq)
	reset := byte(0)
	if c.Reset {
		reset = 1
	}
	b = append(b, reset)
	b = append(b, c.Locator[:]...)
	b = append(b, c.Upload[:]...)
	b = binary.BigEndian.AppendUint32(b, c.Parts)
	b = lp.Append(b, c.Manifest)
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Purge)))
	for _, k := range c.Purge {
		b = appendKey(b, k)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.Put)))
	for i := range c.Put {
		b = appendRecord(b, &c.Put[i])
	}
	return b
}

// ParseCommit undoes Encode. The data lie in the input.
func ParseCommit(data []byte) (*Commit, error) {
	r := lp.NewReader(data)
	if r.U8() != version {
		return nil, ErrMalformed
	}
	c := &Commit{}
	c.Base, c.Seq = r.U64(), r.U64()
	reset := r.U8()
	c.Reset = reset == 1
	copy(c.Locator[:], r.Take(16))
	copy(c.Upload[:], r.Take(16))
	c.Parts = r.U32()
	c.Manifest = r.Field()
	for range r.Count(keySize) {
		c.Purge = append(c.Purge, readKey(&r))
	}
	for range r.Count(recordSize) {
		c.Put = append(c.Put, readRecord(&r))
	}
	if !r.Done() || reset > 1 {
		return nil, ErrMalformed
	}
	return c, nil
}

// header begins a list of n items of size bytes each.
func header(n, size int) []byte {
	b := append(make([]byte, 0, 5+n*size), version)
	return binary.BigEndian.AppendUint32(b, uint32(n))
}

func parseList[T any](data []byte, size int, read func(*lp.Reader) T) ([]T, error) {
	r := lp.NewReader(data)
	if r.U8() != version {
		return nil, ErrMalformed
	}
	n := r.Count(size)
	out := make([]T, 0, n)
	for range n {
		out = append(out, read(&r))
	}
	if !r.Done() {
		return nil, ErrMalformed
	}
	return out, nil
}

// Package archive writes the vaults of a depot into one file and reads them
// back, into a depot of any kind. What is in it is what a server stores: nobody
// can open a vault with it, but whoever can change it can lose data, so its end
// carries a hash over the whole.
//
//	"ov-server archive 1\n", n * LP(image), u32 zero, SHA-256 of all before it
//
//	image  1 vault[16] LP(head, locator) n[4] n*(seq[8] time[8] LP(manifest))
//	       n[4] n*(kind[1] id[32] version[8] seq[8] group[16] sum[32] LP(data)) n[4] n*(kind[1] LP(id, body))
//	head   seq[8] chain[32]
package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/lp"
)

const magic = "ov-server archive 1\n"

// maxImage bounds what Read takes for one vault.
const maxImage = 1 << 30

// ErrDamaged says that a file is not an archive, or not all of one.
var ErrDamaged = errors.New("archive is damaged or cut")

// Write writes every vault of d, each as it is at one moment, and returns how many.
func Write(ctx context.Context, d depot.Depot, w io.Writer) (n int, err error) {
	sum := sha256.New()
	buf := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<20)
	_, _ = buf.WriteString(magic) // an error stays until Flush
	var after depot.Vault
	for {
		page, err := d.Vaults(ctx, after, 100)
		if err != nil {
			return n, fmt.Errorf("list vaults: %w", err)
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			img, err := d.Export(ctx, v)
			if errors.Is(err, blob.ErrEmpty) {
				continue
			} else if err != nil {
				return n, fmt.Errorf("export vault: %w", err)
			}
			_, _ = buf.Write(lp.Join(encode(img)))
			n++
		}
		after = page[len(page)-1]
	}
	_, _ = buf.Write(lp.Join(nil))
	if err := buf.Flush(); err != nil {
		return n, err
	}
	_, err = w.Write(sum.Sum(nil))
	return n, err
}

// Check reads an archive to its end and returns how many vaults it holds.
func Check(r io.Reader) (int, error) { return read(r, func(*depot.Image) error { return nil }) }

// Read stores every vault of an archive in d. A vault that d holds already is
// blob.ErrConflict. Check it first: what was read before an error stays.
func Read(ctx context.Context, d depot.Depot, r io.Reader) (int, error) {
	return read(r, func(img *depot.Image) error { return d.Import(ctx, img) })
}

func read(r io.Reader, f func(*depot.Image) error) (n int, err error) {
	in := &hashed{r: bufio.NewReaderSize(r, 1<<20), sum: sha256.New()}
	head := make([]byte, len(magic))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != magic {
		return 0, ErrDamaged
	}
	for ; ; n++ {
		var size [4]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return n, ErrDamaged
		}
		left := int64(binary.BigEndian.Uint32(size[:]))
		if left == 0 {
			break
		}
		if left > maxImage {
			return n, ErrDamaged
		}
		var body bytes.Buffer
		if got, err := io.CopyN(&body, in, left); err != nil || got != left {
			return n, ErrDamaged
		}
		img, err := decode(body.Bytes())
		if err != nil {
			return n, err
		}
		if err := f(img); err != nil {
			return n, fmt.Errorf("vault %d of the archive: %w", n+1, err)
		}
	}
	want := in.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(in.r, got); err != nil || !bytes.Equal(got, want) {
		return n, ErrDamaged
	}
	if _, err := in.r.ReadByte(); !errors.Is(err, io.EOF) {
		return n, ErrDamaged
	}
	return n, nil
}

// A hashed reader hashes what it gives.
type hashed struct {
	r   *bufio.Reader
	sum hash.Hash
}

// Read implements io.Reader.
func (h *hashed) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	h.sum.Write(b[:n])
	return n, err
}

func encode(img *depot.Image) []byte {
	b := append([]byte{1}, img.Vault[:]...)
	b = append(b, lp.Join(append(lp.U64(img.Head.Seq), img.Head.Chain[:]...), img.Locator[:])...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(img.Manifests)))
	for _, m := range img.Manifests {
		b = binary.BigEndian.AppendUint64(b, m.Seq)
		b = binary.BigEndian.AppendUint64(b, uint64(m.Time.UnixMilli()))
		b = lp.Append(b, m.Body)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(img.Records)))
	for i := range img.Records {
		r := &img.Records[i]
		b = append(b, r.Kind)
		b = append(b, r.ID[:]...)
		b = binary.BigEndian.AppendUint64(b, r.Version)
		b = binary.BigEndian.AppendUint64(b, r.Seq)
		b = append(b, r.Group[:]...)
		b = append(b, r.Sum[:]...)
		b = lp.Append(b, r.Data)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(img.Notes)))
	for _, n := range img.Notes {
		b = append(b, byte(n.Kind))
		b = append(b, lp.Join(n.ID, n.Body)...)
	}
	return b
}

func decode(data []byte) (*depot.Image, error) {
	r := lp.NewReader(data)
	if r.U8() != 1 {
		return nil, ErrDamaged
	}
	img := &depot.Image{}
	copy(img.Vault[:], r.Take(16))
	head := lp.NewReader(r.Field())
	img.Head.Seq = head.U64()
	copy(img.Head.Chain[:], head.Take(32))
	r.Fixed(img.Locator[:])
	for range r.Count(20) {
		img.Manifests = append(img.Manifests, depot.Manifest{Seq: r.U64(), Time: time.UnixMilli(int64(r.U64())), Body: r.Field()})
	}
	for range r.Count(1 + 32 + 8 + 8 + 16 + 32 + 4) {
		s := depot.Stored{}
		s.Kind = r.U8()
		copy(s.ID[:], r.Take(32))
		s.Version, s.Seq = r.U64(), r.U64()
		copy(s.Group[:], r.Take(16))
		copy(s.Sum[:], r.Take(32))
		s.Data = r.Field()
		img.Records = append(img.Records, s)
	}
	for range r.Count(9) {
		img.Notes = append(img.Notes, depot.Note{Kind: depot.NoteKind(r.U8()), ID: r.Field(), Body: r.Field()})
	}
	if !head.Done() || !r.Done() {
		return nil, ErrDamaged
	}
	return img, nil
}

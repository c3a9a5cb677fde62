package walk

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
	"strings"
)

// Limits of one archive with all that is in it.
const (
	archiveEntries = 50_000
	archiveNested  = 64 << 20 // an archive in an archive, which is read to memory
)

var errBomb = errors.New("archive unpacks to more than is looked into")

// budget is what is left of the limits.
type budget struct {
	left    int64
	entries int
}

// limited reads within a budget.
type limited struct {
	r io.Reader
	b *budget
}

func (l limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.b.left -= int64(n); l.b.left < 0 {
		return 0, errBomb
	}
	return n, err
}

// content looks through a file, or through what is in it if it is an archive.
func (w *walker) content(r io.Reader, size int64, path string, depth int, b *budget) error {
	head := make([]byte, 512)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), r)
	if depth > 0 {
		switch {
		case bytes.HasPrefix(head, []byte("PK\x03\x04")):
			return w.zip(r, head, size, path, depth, b)
		case bytes.HasPrefix(head, []byte("\x1f\x8b")):
			z, err := gzip.NewReader(whole)
			if err != nil {
				return err
			}
			return w.content(limited{z, b}, -1, path+"!"+inner(path, ".gz", ".tgz"), depth-1+isTar(path), b)
		case bytes.HasPrefix(head, []byte("BZh")):
			return w.content(limited{bzip2.NewReader(whole), b}, -1, path+"!"+inner(path, ".bz2", ".tbz2"), depth-1+isTar(path), b)
		case len(head) > 262 && string(head[257:262]) == "ustar":
			return w.tar(whole, path, depth, b)
		}
	}
	if !w.Binary && bytes.IndexByte(head, 0) >= 0 {
		w.skip(path, "binary", false)
		return nil
	}
	return w.stream(whole, path, where{})
}

// isTar: a compressed tar is one archive, not two.
func isTar(path string) int {
	for _, s := range []string{".tgz", ".tbz2", ".tar.gz", ".tar.bz2"} {
		if strings.HasSuffix(path, s) {
			return 1
		}
	}
	return 0
}

// inner names what a compressed file holds.
func inner(path string, suffix, short string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = name[strings.LastIndexByte(name, '!')+1:]
	if s, ok := strings.CutSuffix(name, short); ok {
		return s + ".tar"
	}
	return strings.TrimSuffix(name, suffix)
}

func (w *walker) tar(r io.Reader, path string, depth int, b *budget) error {
	t := tar.NewReader(limited{r, b})
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if b.entries--; b.entries < 0 {
			return errBomb
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := w.entry(t, h.Size, path+"!"+h.Name, depth, b); err != nil {
			return err
		}
	}
}

func (w *walker) zip(r io.Reader, head []byte, size int64, path string, depth int, b *budget) error {
	at, ok := r.(io.ReaderAt)
	if !ok { // in another archive
		body, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head), r), archiveNested+1))
		if err != nil {
			return err
		}
		if len(body) > archiveNested {
			return errBomb
		}
		at, size = bytes.NewReader(body), int64(len(body))
	}
	z, err := zip.NewReader(at, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if b.entries--; b.entries < 0 {
			return errBomb
		}
		if !f.Mode().IsRegular() {
			continue
		}
		body, err := f.Open()
		if err != nil {
			w.skip(path+"!"+f.Name, "unreadable: "+cause(err), true)
			continue
		}
		err = w.entry(limited{body, b}, int64(f.UncompressedSize64), path+"!"+f.Name, depth, b)
		body.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// entry looks into one file of an archive. What is wrong with it is noted; only
// an archive that unpacks to too much ends the archive.
func (w *walker) entry(r io.Reader, size int64, path string, depth int, b *budget) error {
	w.files.Add(1)
	err := w.content(r, size, path, depth-1, b)
	if errors.Is(err, errBomb) {
		return err
	}
	if err != nil {
		w.skip(path, "unreadable: "+cause(err), true)
	}
	return nil
}

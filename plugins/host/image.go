package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxBinary is the largest provider binary that is run, in bytes.
const MaxBinary = 256 << 20

// ErrChanged says that a binary is not the one that was registered.
var ErrChanged = errors.New("binary changed since it was registered")

// An image is a private copy of a binary that nobody can change any more: what
// was hashed is what runs.
type image struct {
	path   string // to execute
	sum    [sha256.Size]byte
	remove func() // called once the process has started or is not going to
}

// load copies the binary at path, hashes the copy, and compares it with want
// (hex) when want is not empty.
func load(path, want, dir string) (*image, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open provider: %w", err)
	}
	defer in.Close()
	if st, err := in.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > MaxBinary {
		return nil, fmt.Errorf("open provider %q: not a regular file of at most %d MiB", path, MaxBinary>>20)
	}
	h := sha256.New()
	im, err := private(dir, func(w io.Writer) error {
		_, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(in, MaxBinary))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy provider %q: %w", path, err)
	}
	h.Sum(im.sum[:0])
	if got := hex.EncodeToString(im.sum[:]); want != "" && got != want {
		im.remove()
		return nil, fmt.Errorf("run provider %q: %w: sha256 %s, registered %s", path, ErrChanged, got, want)
	}
	return im, nil
}

// copyTo writes an executable copy below dir: the way where there is no memfd.
func copyTo(dir string, fill func(io.Writer) error) (*image, error) {
	f, err := os.CreateTemp(dir, "provider-*.exe")
	if err != nil {
		return nil, err
	}
	im := &image{path: f.Name(), remove: func() { os.Remove(f.Name()) }}
	err = errors.Join(fill(f), f.Chmod(0o500), f.Close())
	if err != nil {
		im.remove()
		return nil, err
	}
	return im, nil
}

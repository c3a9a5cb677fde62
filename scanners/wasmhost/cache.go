package wasmhost

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tetratelabs/wazero"
)

// CacheMin is the smallest module that is worth keeping compiled: below it,
// compiling takes a few milliseconds.
const CacheMin = 256 << 10

// A Cache keeps the compiled code of large modules between runs. What it holds
// is machine code, so each entry carries a MAC under Key and is verified into a
// private copy before the engine sees any of it. An entry that does not verify
// is as good as none.
type Cache struct {
	Dir string
	Key []byte // 32 secret bytes
}

// An entry is what is kept of a module.
type entry struct {
	Metered []byte            // the module as it is compiled
	Files   map[string][]byte // the engine's own cache, by path
}

// A cacheUse is the engine's private folder and the entry that filled it.
type cacheUse struct {
	cache *Cache
	path  string
	dir   string // private
	hit   *entry
	store wazero.CompilationCache
}

// open makes a private folder for the engine, filled from the entry of the
// module if there is a good one. It returns nil when the module is too small or
// there is no cache.
func (c *Cache) open(wasm []byte, pages int) *cacheUse {
	if c == nil || len(c.Key) < 32 || len(wasm) < CacheMin {
		return nil
	}
	h := sha256.New()
	h.Write([]byte{cacheVersion, byte(pages >> 8), byte(pages)})
	h.Write(wasm)
	u := &cacheUse{cache: c, path: filepath.Join(c.Dir, hex.EncodeToString(h.Sum(nil))+".ovc")}
	var err error
	if u.dir, err = os.MkdirTemp("", "ov-scanner-"); err != nil { // mode 0700
		return nil
	}
	if e, err := c.read(u.path); err == nil && e.unpack(u.dir) == nil {
		u.hit = e
	}
	if u.store, err = wazero.NewCompilationCacheWithDir(u.dir); err != nil {
		os.RemoveAll(u.dir)
		return nil
	}
	return u
}

// cacheVersion changes when the meter or its prices do.
const cacheVersion = 1

// read verifies an entry.
func (c *Cache) read(path string) (*entry, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b) < sha256.Size || !hmac.Equal(b[:sha256.Size], c.mac(path, b[sha256.Size:])) {
		return nil, errors.New("entry does not verify")
	}
	return decodeEntry(b[sha256.Size:])
}

// mac covers the entry's name as well, so that entries cannot trade places.
func (c *Cache) mac(path string, body []byte) []byte {
	m := hmac.New(sha256.New, c.Key)
	m.Write([]byte(filepath.Base(path)))
	m.Write([]byte{0})
	m.Write(body)
	return m.Sum(nil)
}

// encode writes an entry as pieces, each with its length before it: the module,
// then names and contents of files.
func (e *entry) encode() []byte {
	piece := func(b, p []byte) []byte { return append(binary.LittleEndian.AppendUint32(b, uint32(len(p))), p...) }
	b := piece(nil, e.Metered)
	for name, content := range e.Files {
		b = piece(piece(b, []byte(name)), content)
	}
	return b
}

func decodeEntry(b []byte) (*entry, error) {
	var pieces [][]byte
	for len(b) > 0 {
		if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
			return nil, errors.New("entry is cut short")
		}
		n := binary.LittleEndian.Uint32(b)
		pieces = append(pieces, b[4:4+n:4+n])
		b = b[4+n:]
	}
	if len(pieces)%2 == 0 {
		return nil, errors.New("entry is cut short")
	}
	e := &entry{pieces[0], map[string][]byte{}}
	for i := 1; i < len(pieces); i += 2 {
		e.Files[string(pieces[i])] = pieces[i+1]
	}
	return e, nil
}

func (e *entry) unpack(dir string) error {
	for name, b := range e.Files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// done keeps what the engine compiled, unless it came from the cache, and
// removes the private folder. A cache that cannot be written costs time, no more.
func (u *cacheUse) done(metered []byte) {
	if u == nil {
		return
	}
	defer os.RemoveAll(u.dir)
	if u.hit != nil || metered == nil {
		return
	}
	e := entry{Metered: metered, Files: map[string][]byte{}}
	err := filepath.WalkDir(u.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(u.dir, p)
		if err != nil {
			return err
		}
		e.Files[rel], err = os.ReadFile(p)
		return err
	})
	if err != nil || len(e.Files) == 0 {
		return
	}
	u.cache.write(u.path, e.encode())
}

func (c *Cache) write(path string, body []byte) {
	if os.MkdirAll(c.Dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(c.Dir, ".new-")
	if err != nil {
		return
	}
	defer os.Remove(f.Name())
	if _, err = f.Write(c.mac(path, body)); err == nil {
		_, err = f.Write(body)
	}
	if cerr := f.Close(); err == nil && cerr == nil {
		os.Rename(f.Name(), path)
	}
}

func (u *cacheUse) close() {
	if u != nil {
		u.store.Close(context.Background())
	}
}

// Package lock keeps the scanner modules that are installed: their files in one
// folder, and scanners.lock, which says what each file must be. A file that
// differs is not run.
package lock

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// File is the name of the lock file in its folder.
const File = "scanners.lock"

// Errors that callers tell apart.
var (
	ErrChanged   = errors.New("the file is not the one that was installed")
	ErrSignature = errors.New("the signature does not verify")
	ErrNone      = errors.New("no such scanner")
	ErrLock      = errors.New("scanners.lock cannot be used")
)

// An Entry is one installed module. The manifest is kept, so that a scanner costs
// nothing until one of its keywords is seen.
type Entry struct {
	Name     string             `json:"name"`
	SHA256   string             `json:"sha256"`
	Size     int                `json:"size"`
	Key      string             `json:"key,omitempty"`  // ed25519 public key that later versions must be signed with
	Code     string             `json:"code,omitempty"` // sha256 of what a large module was compiled to
	Manifest *manifest.Manifest `json:"manifest"`
}

// A Store is a folder of modules and its lock file. Attest, if set, is shown the
// lock file's bytes whenever they are read (nil: there is no such file) and may
// refuse them; Record is asked before new ones are written.
//
// With Vouched, large modules start from the machine code that they were compiled
// to when they were installed. It is for programs in which nothing is masked
// before the vault has said that the lock file is the one that it recorded.
type Store struct {
	Dir     string
	Attest  func(lock []byte) error
	Record  func(lock []byte) error
	Vouched bool
}

type file struct {
	Version  int     `json:"version"`
	Scanners []Entry `json:"scanners"`
}

const version = 1

// List returns the installed modules by name. A folder without a lock file has
// none.
func (s *Store) List() ([]Entry, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir, File))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrLock, err)
	}
	if s.Attest != nil {
		if aerr := s.Attest(b); aerr != nil {
			return nil, fmt.Errorf("%w: %w", ErrLock, aerr)
		}
	}
	if err != nil {
		return nil, nil
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLock, err)
	}
	if f.Version != version {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrLock, f.Version, version)
	}
	for i := range f.Scanners {
		e := &f.Scanners[i]
		if e.Manifest == nil || e.Name != e.Manifest.Name || i > 0 && e.Name <= f.Scanners[i-1].Name {
			return nil, fmt.Errorf("%w: entry %d %q", ErrLock, i, e.Name)
		}
		if err := e.Manifest.Complete(); err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrLock, e.Name, err)
		}
	}
	return f.Scanners, nil
}

// A Signed is a module's detached signature and the key that it must verify with.
type Signed struct {
	Key       string // ed25519 public key in base64; "" pins none
	Signature []byte // of the file's bytes, raw or in base64
}

// Add installs a module that compiles and starts, or a new version of one. With a
// key that is pinned, or is to be, the signature must verify.
func (s *Store) Add(wasm []byte, sig Signed) (Entry, error) {
	sc, err := wasmhost.Load(wasm, wasmhost.Options{Keep: true})
	if err != nil {
		return Entry{}, err
	}
	defer sc.Close()
	if err := sc.Compile(); err != nil {
		return Entry{}, err
	}
	release, err := s.hold()
	if err != nil {
		return Entry{}, err
	}
	defer release()
	all, err := s.List()
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Name: sc.Manifest().Name, SHA256: digest(wasm), Size: len(wasm), Key: sig.Key, Manifest: sc.Manifest()}
	i := slices.IndexFunc(all, func(o Entry) bool { return o.Name >= e.Name })
	if i < 0 {
		i = len(all)
	}
	if i < len(all) && all[i].Name == e.Name {
		if old := all[i].Key; old != "" && sig.Key != "" && sig.Key != old {
			return Entry{}, fmt.Errorf("%w: %q is pinned to another key; remove it first", ErrSignature, e.Name)
		} else if e.Key == "" {
			e.Key = old
		}
		all = slices.Delete(all, i, i+1)
	}
	if e.Key != "" {
		if err := verify(e.Key, sig.Signature, wasm); err != nil {
			return Entry{}, fmt.Errorf("module %q: %w", e.Name, err)
		}
	}
	code := sc.Code()
	if code != nil {
		e.Code = digest(code)
	}
	return e, s.write(slices.Insert(all, i, e), func() error { return s.put(e.Name, wasm, code) })
}

// Remove uninstalls a module.
func (s *Store) Remove(name string) error {
	release, err := s.hold()
	if err != nil {
		return err
	}
	defer release()
	all, err := s.List()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return fmt.Errorf("remove scanner %q: %w", name, ErrNone)
	}
	if err := s.write(slices.Delete(all, i, i+1), func() error { return nil }); err != nil {
		return err
	}
	return errors.Join(gone(os.Remove(s.path(name))), gone(os.Remove(s.codePath(name))))
}

// Verify reads an entry's file and holds it against the lock.
func (s *Store) Verify(e Entry) ([]byte, error) {
	f, err := os.Open(s.path(e.Name))
	if err != nil {
		return nil, fmt.Errorf("scanner %q: %w", e.Name, err)
	}
	defer f.Close()
	wasm, err := io.ReadAll(io.LimitReader(f, module.MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("scanner %q: %w", e.Name, err)
	}
	if digest(wasm) != e.SHA256 {
		return nil, fmt.Errorf("scanner %q: %w", e.Name, ErrChanged)
	}
	return wasm, nil
}

// Scanners returns all installed modules, each with the options for its name.
// None of their files is read before one of its keywords is seen.
func (s *Store) Scanners(options func(name string) wasmhost.Options) ([]*wasmhost.Scanner, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	var scanners []*wasmhost.Scanner
	for _, e := range all {
		o := options(e.Name)
		if e.Code != "" && s.Vouched {
			o.Code = func() ([]byte, error) { return s.code(e) }
		}
		sc, err := wasmhost.Lazy(e.Manifest, func() ([]byte, error) { return s.Verify(e) }, o)
		if err != nil {
			return nil, fmt.Errorf("%w: %q: %w", ErrLock, e.Name, err)
		}
		scanners = append(scanners, sc)
	}
	return scanners, nil
}

// hold keeps other programs from changing the lock file meanwhile.
func (s *Store) hold() (release func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, ".hold"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := exclude(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("hold scanners.lock: %w", err)
	}
	return func() { f.Close() }, nil
}

func (s *Store) path(name string) string { return filepath.Join(s.Dir, name+".wasm") }

// write records what is to be locked, makes the change to the files, and locks
// it: a crash in between is a stop, not a gap.
func (s *Store) write(all []Entry, change func() error) error {
	b, err := json.MarshalIndent(file{version, all}, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if s.Record != nil {
		if err := s.Record(b); err != nil {
			return err
		}
	}
	if err := change(); err != nil {
		return err
	}
	return replace(filepath.Join(s.Dir, File), b)
}

// replace writes a file whole or not at all.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func verify(key string, sig, wasm []byte) error {
	pub, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(pub) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: the key is not 32 bytes in base64", ErrSignature)
	}
	if len(sig) != ed25519.SignatureSize {
		if sig, err = base64.StdEncoding.DecodeString(strings.TrimSpace(string(sig))); err != nil {
			return fmt.Errorf("%w: it is neither 64 bytes nor base64", ErrSignature)
		}
	}
	if !ed25519.Verify(pub, wasm, sig) {
		return ErrSignature
	}
	return nil
}

package lock

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/scanners/wasmhost"
)

func (s *Store) codePath(name string) string { return filepath.Join(s.Dir, name+".code") }

// put writes a module's files. Small ones have no code kept.
func (s *Store) put(name string, wasm, code []byte) error {
	if err := replace(s.path(name), wasm); err != nil {
		return err
	}
	if code != nil {
		return replace(s.codePath(name), code)
	}
	return gone(os.Remove(s.codePath(name)))
}

// gone is err, unless there was nothing to remove.
func gone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// code reads what an entry's module was compiled to and holds it against the
// lock: it is machine code. Without it the module is compiled again.
func (s *Store) code(e Entry) ([]byte, error) {
	b, err := os.ReadFile(s.codePath(e.Name))
	if err == nil && digest(b) != e.Code {
		err = fmt.Errorf("code of scanner %q: %w", e.Name, ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// VerifyCode compiles an entry's module and holds the result against the lock: the
// lock may have been written by somebody else, and the code is run as it is.
func (s *Store) VerifyCode(e Entry) error {
	wasm, err := s.Verify(e)
	if err != nil || e.Code == "" {
		return err
	}
	sc, err := wasmhost.Load(wasm, wasmhost.Options{Keep: true})
	if err != nil {
		return err
	}
	defer sc.Close()
	if err := sc.Compile(); err != nil {
		return err
	}
	if digest(sc.Code()) != e.Code {
		return fmt.Errorf("code of scanner %q is not what its module compiles to: %w", e.Name, ErrChanged)
	}
	return nil
}

package wasmhost

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"reflect"
	"slices"
	"unsafe"

	"github.com/tetratelabs/wazero"
)

// codeMin is the smallest module whose compiled code is worth keeping: below it,
// compiling takes a few milliseconds.
const codeMin = 256 << 10

// codeVersion begins all kept code. It changes when the meter or its prices do.
const codeVersion = "ov scanner code 1\n"

var errCode = errors.New("not the compiled code of this module")

// A kept is a large module as it was compiled before. It is machine code: whoever
// hands it in vouches for each of its bytes, and it goes from memory to the
// engine, past any file that could change in between.
type kept struct {
	metered []byte
	engine  engineCache
}

// engineCache is what the engine keeps of a module, by its own keys. It has the
// methods of the engine's file cache.
type engineCache map[[sha256.Size]byte][]byte

// Get is asked before a module is compiled.
func (c engineCache) Get(key [sha256.Size]byte) (io.ReadCloser, bool, error) {
	b, ok := c[key]
	return io.NopCloser(bytes.NewReader(b)), ok, nil
}

// Add is told of a module that was.
func (c engineCache) Add(key [sha256.Size]byte, r io.Reader) (err error) {
	c[key], err = io.ReadAll(r)
	return err
}

// Delete is told of code of another version of the engine.
func (c engineCache) Delete(key [sha256.Size]byte) error {
	delete(c, key)
	return nil
}

// engine returns the cache as the engine takes one. It offers folders only, which
// a program of the same user could write to between our look and its own, so we
// put ours where it has its own. nil if the engine is not as we know it: then
// nothing is kept.
func (c engineCache) open() wazero.CompilationCache {
	cache := wazero.NewCompilationCache()
	v := reflect.ValueOf(cache)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil
	}
	field := v.Elem().FieldByName("fileCache")
	if !field.IsValid() || field.Kind() != reflect.Interface || !reflect.TypeOf(c).Implements(field.Type()) {
		return nil
	}
	reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem().Set(reflect.ValueOf(c))
	return cache
}

// Code returns the compiled code of a module that was loaded with Keep and
// compiled, or nil if it is too small to be worth it.
func (s *Scanner) Code() []byte {
	if s.program == nil || s.program.kept == nil || len(s.program.kept.engine) == 0 {
		return nil
	}
	k := s.program.kept
	b := piece(codeHead(s), k.metered)
	keys := slices.SortedFunc(maps.Keys(k.engine), func(x, y [sha256.Size]byte) int { return bytes.Compare(x[:], y[:]) })
	for _, key := range keys {
		b = piece(append(b, key[:]...), k.engine[key])
	}
	return b
}

// codeHead says what the code was made of.
func codeHead(s *Scanner) []byte {
	sum := sha256.Sum256(s.wasm)
	return binary.LittleEndian.AppendUint32(append([]byte(codeVersion), sum[:]...), uint32(s.manifest.MemoryPages))
}

func piece(b, p []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(p))), p...)
}

// keep returns what there is of the module's code, empty if it is to be made, or
// nil if none is to be kept.
func (s *Scanner) keep() *kept {
	o := &s.options
	if o.Unmetered || o.Interpreter || len(s.wasm) < codeMin || !o.Keep && o.Code == nil {
		return nil
	}
	if o.Code != nil {
		if b, err := o.Code(); err == nil {
			if k, err := parseCode(s, b); err == nil {
				return k
			}
		}
		if !o.Keep {
			return nil
		}
	}
	return &kept{engine: engineCache{}}
}

func parseCode(s *Scanner, b []byte) (*kept, error) {
	b, ok := bytes.CutPrefix(b, codeHead(s))
	if !ok {
		return nil, errCode
	}
	k := &kept{engine: engineCache{}}
	next := func() ([]byte, error) {
		if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
			return nil, errCode
		}
		n := binary.LittleEndian.Uint64(b)
		p := b[8 : 8+n : 8+n]
		b = b[8+n:]
		return p, nil
	}
	var err error
	if k.metered, err = next(); err != nil || len(k.metered) == 0 {
		return nil, errCode
	}
	for len(b) > 0 {
		if len(b) < sha256.Size {
			return nil, errCode
		}
		key := [sha256.Size]byte(b)
		b = b[sha256.Size:]
		if k.engine[key], err = next(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

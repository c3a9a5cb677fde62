package walk

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// A Baseline is the findings that are known already, as fingerprints: an HMAC of
// rule, path and value under a key of the file's own. A weak value can be guessed
// from it; a strong one cannot.
type Baseline struct {
	Version      int      `json:"version"`
	Key          []byte   `json:"key"`
	Fingerprints []string `json:"fingerprints"`
}

// NewBaseline returns an empty one with a fresh key.
func NewBaseline() *Baseline {
	b := &Baseline{Version: 1, Key: make([]byte, 32)}
	rand.Read(b.Key)
	return b
}

// ReadBaseline reads a file; without one, the error wraps fs.ErrNotExist.
func ReadBaseline(path string) (*Baseline, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read baseline: %w", err)
	}
	var b Baseline
	if err := json.Unmarshal(text, &b); err != nil {
		return nil, fmt.Errorf("read baseline %q: %w", path, err)
	}
	if b.Version != 1 || len(b.Key) < 16 {
		return nil, fmt.Errorf("read baseline %q: version %d, want 1 with a key", path, b.Version)
	}
	return &b, nil
}

// Write writes the findings as the new baseline.
func (b *Baseline) Write(path string, found []Finding) error {
	b.Fingerprints = nil
	for _, f := range found {
		b.Fingerprints = append(b.Fingerprints, f.Fingerprint)
	}
	slices.Sort(b.Fingerprints)
	b.Fingerprints = slices.Compact(b.Fingerprints)
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write baseline: %w", err)
	}
	return nil
}

// New returns the findings that the baseline does not name.
func (b *Baseline) New(found []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(found), func(f Finding) bool {
		_, ok := slices.BinarySearch(b.Fingerprints, f.Fingerprint)
		return ok
	})
}

// OpenBaseline reads a file, or begins a new one if there is none.
func OpenBaseline(path string) (b *Baseline, err error) {
	b, err = ReadBaseline(path)
	if errors.Is(err, fs.ErrNotExist) {
		return NewBaseline(), nil
	}
	return b, err
}

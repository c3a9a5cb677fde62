package host

import (
	"bytes"
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// seen holds copies of the values that a provider has handed over: what it
// writes is masked by them before a person sees it. It keeps copies because
// the importer wipes its own.
type seen struct {
	mu     sync.Mutex
	values []redact.Needle
	set    *redact.Set // compiled from values; nil: out of date
}

const needleName = "provider-value"

func (s *seen) add(v secret.Value) {
	if v.Len() < secret.MinMaskable {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = append(s.values, redact.Needle{Name: needleName, Value: secret.New(slices.Clone(v.Reveal()))})
	s.set = nil
}

// mask returns text with every value that was seen masked. When that cannot be
// done nothing of text is returned.
func (s *seen) mask(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil {
		set, err := redact.Compile(s.values, redact.Options{Lanes: redact.All})
		if err != nil {
			return "(text kept back: it could not be masked)"
		}
		s.set = set
	}
	var out bytes.Buffer
	w := redact.NewWriter(&out, s.set, nil)
	_, err := w.Write([]byte(text))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return "(text kept back: it could not be masked)"
	}
	return out.String()
}

func (s *seen) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.values {
		n.Value.Wipe()
	}
	s.values, s.set = nil, nil
}

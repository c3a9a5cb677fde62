package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opaquevault/ov/core/secret"
)

// How JSON values are treated.
const (
	Auto   = "auto"   // flat objects of scalars become one secret a key
	Always = "always" // what cannot be flattened is an error
	Never  = "never"
)

// maxKeys is how many secrets one value may become.
const maxKeys = 64

// Errors of Split.
var (
	ErrDuplicate = errors.New("a key occurs twice in the JSON object")
	ErrNotFlat   = errors.New("not a flat JSON object of strings, numbers and booleans")
)

// A Part is one secret that a value becomes. Key is empty for the whole value.
type Part struct {
	Key   string
	Value secret.Value
}

// Split takes a value apart, as Mapping.Flatten says. Numbers keep their
// spelling; a whole service-account file stays whole, since its parts are of no
// use alone. With more than one part v is wiped.
func (m Mapping) Split(v secret.Value) ([]Part, error) {
	whole := []Part{{Value: v}}
	if m.Flatten == Never {
		return whole, nil
	}
	parts, err := flat(v.Reveal())
	switch {
	case errors.Is(err, ErrDuplicate):
		return nil, err
	case err != nil && m.Flatten == Always:
		return nil, err
	case err != nil, m.Flatten != Always && document(parts):
		wipe(parts)
		return whole, nil
	}
	v.Wipe()
	return parts, nil
}

// document reports whether the keys are those of a file that a program reads
// whole: a service account, a JSON Web Key.
func document(parts []Part) bool {
	has := map[string]bool{}
	for _, p := range parts {
		has[p.Key] = true
	}
	return has["type"] && (has["private_key"] || has["client_secret"] || has["refresh_token"]) || has["kty"]
}

// flat reads one flat object. Its errors quote nothing of the text.
func flat(text []byte) (parts []Part, err error) {
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, ErrNotFlat
	}
	defer func() {
		if err != nil {
			wipe(parts)
			parts = nil
		}
	}()
	d := json.NewDecoder(bytes.NewReader(trimmed))
	d.UseNumber()
	d.Token() // the brace
	seen := map[string]bool{}
	for d.More() {
		key, ok := next(d).(string)
		if !ok || key == "" {
			return parts, ErrNotFlat
		}
		if seen[key] {
			return parts, fmt.Errorf("%w: %q", ErrDuplicate, key)
		}
		seen[key] = true
		value, ok := scalar(next(d))
		if !ok {
			return parts, ErrNotFlat
		}
		if parts = append(parts, Part{key, secret.New(value)}); len(parts) > maxKeys {
			return parts, ErrNotFlat
		}
	}
	if next(d) != json.Delim('}') {
		return parts, ErrNotFlat
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || len(parts) == 0 {
		return parts, ErrNotFlat
	}
	return parts, nil
}

func next(d *json.Decoder) json.Token {
	t, err := d.Token()
	if err != nil {
		return nil
	}
	return t
}

func scalar(t json.Token) ([]byte, bool) {
	switch t := t.(type) {
	case string:
		return []byte(t), true
	case json.Number:
		return []byte(t.String()), true
	case bool:
		return fmt.Append(nil, t), true
	}
	return nil, false
}

func wipe(parts []Part) {
	for _, p := range parts {
		p.Value.Wipe()
	}
}

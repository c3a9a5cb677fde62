package secret

import (
	"errors"
	"fmt"
	"strings"
)

// Limits of a reference's parts and of a value, in bytes.
const (
	MaxSlug  = 63
	MaxName  = 128
	MaxValue = 64 << 10
	// MinMaskable is the shortest value that can be masked: shorter ones would
	// blank out ordinary text.
	MinMaskable = 4
)

// ErrRef is wrapped by every error of ParseRef and Ref.Check.
var ErrRef = errors.New("invalid reference")

// A Ref names a secret: app/environment/NAME.
type Ref struct{ App, Env, Name string }

// ParseRef reads `app/environment/NAME`, `environment/NAME` or `NAME`; parts
// that s leaves out are taken from context.
func ParseRef(s string, context Ref) (Ref, error) {
	r := Ref{App: context.App, Env: context.Env}
	parts := strings.Split(s, "/")
	switch len(parts) {
	case 1:
		r.Name = parts[0]
	case 2:
		r.Env, r.Name = parts[0], parts[1]
	case 3:
		r.App, r.Env, r.Name = parts[0], parts[1], parts[2]
	default:
		return Ref{}, fmt.Errorf("parse %q: %w: want app/environment/NAME", s, ErrRef)
	}
	if err := r.Check(); err != nil {
		return Ref{}, fmt.Errorf("parse %q: %w", s, err)
	}
	return r, nil
}

// Check reports whether all three parts are well formed.
func (r Ref) Check() error {
	if err := CheckSlug("app", r.App); err != nil {
		return err
	}
	if err := CheckSlug("environment", r.Env); err != nil {
		return err
	}
	return CheckName(r.Name)
}

// CheckSlug reports whether s is `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`; kind
// ("app", "environment") is for the error.
func CheckSlug(kind, s string) error {
	ok := len(s) >= 1 && len(s) <= MaxSlug && s[0] != '-' && s[len(s)-1] != '-'
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-'
	}
	if !ok {
		return fmt.Errorf("%s %q: %w: 1 to %d of a-z, 0-9 and inner hyphens", kind, s, ErrRef, MaxSlug)
	}
	return nil
}

// CheckName reports whether s is `[A-Za-z_][A-Za-z0-9_]{0,127}`: a name that
// every shell takes as a variable.
func CheckName(s string) error {
	ok := len(s) >= 1 && len(s) <= MaxName && !(s[0] >= '0' && s[0] <= '9')
	for i := 0; ok && i < len(s); i++ {
		c := s[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
	}
	if !ok {
		return fmt.Errorf("name %q: %w: 1 to %d of A-Z, a-z, 0-9 and _, not starting with a digit", s, ErrRef, MaxName)
	}
	return nil
}

// String returns app/environment/NAME.
func (r Ref) String() string { return r.App + "/" + r.Env + "/" + r.Name }

// Space returns app/environment.
func (r Ref) Space() string { return r.App + "/" + r.Env }

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/sdk/provider"
)

// ErrOption is wrapped by every error about a choice in a Mapping.
var ErrOption = errors.New("import option")

// A Mapping is how entries are chosen and named. The zero Mapping takes all of
// them, in upper case.
type Mapping struct {
	App         string   `json:"app"`
	Env         string   `json:"environment"`
	Match       []string `json:"match,omitempty"`   // shell patterns over path/name; one must fit
	Exclude     []string `json:"exclude,omitempty"` // none of these may
	StripPrefix string   `json:"strip_prefix,omitempty"`
	Rewrite     []string `json:"rewrite,omitempty"` // RE=>NAME, over path/name, the first that fits
	Flatten     string   `json:"flatten,omitempty"` // auto, always, never; empty: auto
	Sep         string   `json:"sep,omitempty"`     // between a name and a key; empty: _
	Case        string   `json:"case,omitempty"`    // upper, keep; empty: upper
	Full        bool     `json:"full,omitempty"`    // the path is part of the name
}

// Check reports the first choice that cannot be.
func (m Mapping) Check() error {
	if err := (secret.Ref{App: m.App, Env: m.Env, Name: "X"}).Check(); err != nil {
		return err
	}
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOption}, a...)...)
	}
	for _, p := range append(append([]string{}, m.Match...), m.Exclude...) {
		if _, err := path.Match(p, ""); err != nil {
			return bad("pattern %q: %v", p, err)
		}
	}
	if _, err := m.rules(); err != nil {
		return err
	}
	switch m.Flatten {
	case "", Auto, Always, Never:
	default:
		return bad("flatten %q: want auto, always or never", m.Flatten)
	}
	if m.Case != "" && m.Case != "upper" && m.Case != "keep" {
		return bad("case %q: want upper or keep", m.Case)
	}
	if strings.Trim(m.Sep, "_") != "" {
		return bad("sep %q: want underscores", m.Sep)
	}
	return nil
}

// Digest identifies the choices: with others, an unchanged entry may become
// other secrets.
func (m Mapping) Digest() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings alone
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Takes reports whether the entry is chosen.
func (m Mapping) Takes(e provider.Entry) bool {
	if len(m.Match) > 0 && !fits(m.Match, e) {
		return false
	}
	return !fits(m.Exclude, e)
}

// fits holds a pattern against the whole name, and one without a slash against
// its last part as well.
func fits(patterns []string, e provider.Entry) bool {
	for _, p := range patterns {
		whole, _ := path.Match(p, full(e))
		last, _ := path.Match(p, e.Name)
		if whole || last && !strings.Contains(p, "/") {
			return true
		}
	}
	return false
}

// full is an entry's name with its folders.
func full(e provider.Entry) string { return strings.TrimPrefix(path.Join(e.Path, e.Name), "/") }

type rule struct {
	re *regexp.Regexp
	to string
}

func (m Mapping) rules() ([]rule, error) {
	var out []rule
	for _, r := range m.Rewrite {
		from, to, ok := strings.Cut(r, "=>")
		if !ok || to == "" {
			return nil, fmt.Errorf("%w: rewrite %q: want RE=>NAME", ErrOption, r)
		}
		re, err := regexp.Compile("^(?:" + from + ")$")
		if err != nil {
			return nil, fmt.Errorf("%w: rewrite %q: %v", ErrOption, r, err)
		}
		out = append(out, rule{re, to})
	}
	return out, nil
}

// Name returns the NAME that the part key of an entry gets; key is empty for a
// whole value.
func (m Mapping) Name(e provider.Entry, key string) (string, error) {
	name := e.Name
	if m.Full {
		name = full(e)
	}
	name = strings.TrimPrefix(name, m.StripPrefix)
	rules, err := m.rules()
	if err != nil {
		return "", err
	}
	for _, r := range rules {
		if whole := full(e); r.re.MatchString(whole) {
			name = r.re.ReplaceAllString(whole, r.to)
			break
		}
	}
	if key != "" {
		sep := m.Sep
		if sep == "" {
			sep = "_"
		}
		name += sep + key
	}
	name = variable(name)
	if m.Case != "keep" {
		name = strings.ToUpper(name)
	}
	return name, secret.CheckName(name)
}

// variable turns what no shell takes as the name of a variable into one: every
// other byte becomes an underscore, and so does what stands before a digit.
func variable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_') {
			b[i] = '_'
		}
	}
	if len(b) > 0 && b[0] >= '0' && b[0] <= '9' {
		b = append([]byte{'_'}, b...)
	}
	return string(b)
}

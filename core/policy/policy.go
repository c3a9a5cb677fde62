// Package policy decides who may use which secret for what. A Policy is a list
// of rules; the first one that fits a request decides on it, and the last one
// fits everything. It is stored sealed in the vault: there is no file to edit
// behind the vault's back, and everything that weakens protection is in it.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/opaquevault/ov/core/secret"
)

// ErrPolicy is wrapped by every error about a policy's text.
var ErrPolicy = errors.New("policy")

// An Approval says when a person is asked.
type Approval string

// The approvals, from the loosest to the strictest.
const (
	Never   Approval = "never"   // not asked
	Session Approval = "session" // one yes holds for these secrets and this client until the vault is locked
	Once    Approval = "once"    // one yes holds for this very request until the vault is locked
	Always  Approval = "always"  // every use is asked for
)

func (a Approval) rank() int {
	return slices.Index([]Approval{Never, Session, Once, Always}, a)
}

// A Rule fits a request when every list that is not empty fits it. What follows
// from that is in the fields below the lists.
type Rule struct {
	Name        string   `toml:"name"`
	Refs        []string `toml:"refs"`        // app/environment/NAME, with * for any text within a part
	Who         []string `toml:"who"`         // cli, mcp, mcp:CLIENT, machine:NAME
	Verbs       []string `toml:"verbs"`       // run, session, mask, reveal, create, update, delete, import, from_file, from_command
	Executables []string `toml:"executables"` // absolute paths, optionally PATH#sha256:HEX
	Argv        []string `toml:"argv"`        // words after the command's name: * is any text in one word, a last ** any further words
	Dirs        []string `toml:"dirs"`        // absolute; a last /** means below as well
	Env         []string `toml:"env"`         // names of variables that may be set beside the harmless ones
	Delivery    []string `toml:"delivery"`    // env, file, stdin, fd

	Deny     bool      `toml:"deny"`
	Approval Approval  `toml:"approval"` // empty: never
	Reason   bool      `toml:"reason"`   // one must be given
	Max      int       `toml:"max"`      // uses in Per; 0: any number
	Per      duration  `toml:"per"`
	Until    time.Time `toml:"until"` // the rule fits no more after it
	PIN      bool      `toml:"pin"`   // the PIN is enough in production too; outside it is anyway
}

// Loosen is what weakens protection: all off by default.
type Loosen struct {
	ValueParameter    bool     `toml:"value_parameter"`    // an MCP client may send a value as a parameter
	WarnOnly          bool     `toml:"warn_only"`          // a secret in an argument of an MCP call is warned of, not refused
	ApproveUnattended bool     `toml:"approve_unattended"` // a password from a file or a command approves
	KnownOnly         bool     `toml:"known_only"`         // --level known: nothing is masked by its shape
	FailOpenScanners  []string `toml:"fail_open_scanners"` // modules that let pass what they fail on
	Names             []string `toml:"names"`              // variable names that are otherwise refused, like NODE_OPTIONS
	Lanes             []string `toml:"lanes"`              // masking lanes that may be switched off
}

// A Policy is parsed and checked.
type Policy struct {
	Loosen Loosen `toml:"loosen"`
	Rules  []Rule `toml:"rule"`
}

// duration reads "90s", "15m", "8h" from TOML.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err == nil && v <= 0 {
		err = fmt.Errorf("%q is no length of time", text)
	}
	*d = duration(v)
	return err
}

// Parse reads a policy's text. An error names the line, or the rule.
func Parse(text []byte) (*Policy, error) {
	p := &Policy{}
	meta, err := toml.Decode(string(text), p)
	if at := (toml.ParseError{}); errors.As(err, &at) {
		return nil, fmt.Errorf("%w: line %d, column %d: %s", ErrPolicy, at.Position.Line, at.Position.Col, at.Message)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, fmt.Errorf("%w: unknown key %q", ErrPolicy, unknown[0])
	}
	for _, lane := range p.Loosen.Lanes {
		if !slices.Contains(lanes(), lane) {
			return nil, fmt.Errorf("%w: lane %q: want one of %s", ErrPolicy, lane, strings.Join(lanes(), ", "))
		}
	}
	return p, p.check()
}

func (p *Policy) check() error {
	if len(p.Rules) == 0 {
		return fmt.Errorf("%w: no rules", ErrPolicy)
	}
	names := map[string]bool{}
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.Name == "" {
			r.Name = fmt.Sprintf("rule %d", i+1)
		}
		if names[r.Name] {
			return fmt.Errorf("%w: two rules are called %q", ErrPolicy, r.Name)
		}
		names[r.Name] = true
		if err := r.check(); err != nil {
			return fmt.Errorf("%w: rule %q: %w", ErrPolicy, r.Name, err)
		}
	}
	if last := &p.Rules[len(p.Rules)-1]; !last.fitsAll() {
		return fmt.Errorf("%w: the last rule, %q, must fit everything: only deny, approval, reason and max may stand in it", ErrPolicy, last.Name)
	}
	return nil
}

func (r *Rule) check() error {
	if r.Approval == "" {
		r.Approval = Never
	}
	if r.Approval.rank() < 0 {
		return fmt.Errorf("approval %q: want never, session, once or always", r.Approval)
	}
	if (r.Max != 0) != (r.Per != 0) || r.Max < 0 {
		return errors.New("max and per go together")
	}
	for _, v := range r.Verbs {
		if !slices.Contains(Verbs(), v) {
			return fmt.Errorf("verb %q: want one of %s", v, strings.Join(Verbs(), ", "))
		}
	}
	for _, v := range r.Delivery {
		if !slices.Contains([]string{"env", "file", "stdin", "fd"}, v) {
			return fmt.Errorf("delivery %q: want env, file, stdin or fd", v)
		}
	}
	for _, w := range r.Who {
		kind, name, named := strings.Cut(w, ":")
		if kind != "cli" && kind != "mcp" && kind != "machine" || kind == "cli" && named || named && name == "" {
			return fmt.Errorf("who %q: want cli, mcp, mcp:CLIENT or machine:NAME", w)
		}
	}
	for _, ref := range r.Refs {
		if strings.Count(ref, "/") != 2 {
			return fmt.Errorf("ref %q: want app/environment/NAME, * for any text", ref)
		}
	}
	return r.checkPaths()
}

func (r *Rule) checkPaths() error {
	for _, e := range r.Executables {
		path, sum, hashed := strings.Cut(e, "#")
		if !strings.HasPrefix(path, "/") || strings.Contains(path, "*") {
			return fmt.Errorf("executable %q: want an absolute path", e)
		}
		if hashed && (!strings.HasPrefix(sum, "sha256:") || len(sum) != len("sha256:")+64) {
			return fmt.Errorf("executable %q: want PATH#sha256:HEX", e)
		}
	}
	for _, d := range r.Dirs {
		if !strings.HasPrefix(d, "/") || strings.Contains(strings.TrimSuffix(d, "/**"), "*") {
			return fmt.Errorf("dir %q: want an absolute path, with /** for what is below", d)
		}
	}
	if len(r.Argv) > 0 && len(r.Executables) == 0 {
		return errors.New("argv without executables says nothing: any program can be given these words")
	}
	return nil
}

func (r *Rule) fitsAll() bool {
	return len(r.Refs) == 0 && len(r.Who) == 0 && len(r.Verbs) == 0 && len(r.Executables) == 0 && len(r.Argv) == 0 &&
		len(r.Dirs) == 0 && len(r.Env) == 0 && len(r.Delivery) == 0 && r.Until.IsZero()
}

// Verbs are what can be done with secrets.
func Verbs() []string {
	return []string{"run", "session", "mask", "reveal", "create", "update", "delete", "import", "from_file", "from_command"}
}

// lanes are the ways in which masking looks for a secret.
func lanes() []string { return []string{"exact", "encoded", "squeezed", "fragments"} }

// A Request is what a rule is held against.
type Request struct {
	Verb       string
	By         string // a second verb that must be allowed as well; may be empty
	Client     string // cli, mcp:NAME, machine:NAME
	Refs       []secret.Ref
	Executable string // absolute, links resolved
	Declared   string // the same as the client has it
	Argv       []string
	Dir        string   // absolute, links resolved
	Env        []string // NAME=value: the child's environment without its secrets
	Homes      []string // values of HOME that are the user's own, as Env has them
	Delivery   map[string]string
	Reason     string
	Time       time.Time
	// Sum returns the SHA-256 of the executable, in hex. It is called only when
	// a rule asks for it.
	Sum func() (string, error)
	// Loose reports whether others than the user and root may write the executable;
	// nil: no. It is called only when a rule names it.
	Loose func() bool
}

// A Verdict is what the rules say about a request, before anybody is asked.
type Verdict struct {
	Allow    bool
	Approval Approval
	Rule     string // that decided
	Why      string // in one line
	Limits   []Limit
	PIN      bool // the rule takes the PIN in production
	Bound    bool // the rule names programs, folders or variables, which a session changes at will
}

// A Limit bounds how often a rule lets something through.
type Limit struct {
	Rule string
	Max  int // uses in Per
	Per  time.Duration
}

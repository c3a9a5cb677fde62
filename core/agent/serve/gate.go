package serve

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/inode"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// Verb is what a request wants to do with secrets.
type Verb string

// The verbs that pass the gate.
const (
	VerbRun     Verb = "run"
	VerbMask    Verb = "mask"
	VerbSession Verb = "session"
	VerbReveal  Verb = "reveal"
	VerbCreate  Verb = "create" // of a secret that must not exist; update otherwise
	VerbUpdate  Verb = "update"
	VerbDelete  Verb = "delete"
	VerbImport  Verb = "import"

	VerbFromFile    Verb = "from_file" // beside create or update
	VerbFromCommand Verb = "from_command"
)

// A Request is what the gate decides on: everything that was declared.
type Request struct {
	Verb  Verb
	By    Verb             // what else it is: both must be allowed
	From  agent.SourceKind // of a write
	Peek  bool             // only asked about: no approval and no limit is used up
	Ask   bool             // a person has to allow it, whatever the policy says
	Asked bool             // a person has allowed it already, as a part of something
	Actor Actor
	Refs  []secret.Ref
	Grant agent.GrantRequest // of run, mask and session
	What  string             // what is asked for, where the verb does not say it all
	Time  time.Time

	program string // Grant.Executable with links resolved, once for all that looks at it
}

// A Decision is the gate's answer.
type Decision struct {
	Allow  bool
	Rule   string        // names the rule that decided, for people
	Reason string        // why not, in one line
	Hint   string        // what to do about a refusal
	Err    error         // what kind of refusal it is; nil: denied
	loosen policy.Loosen // what the policy weakens
	exact  bool          // the program's file is a part of what was decided
	limits []string      // rules whose number of uses this is one of
	ask    *pending      // somebody must be asked first
}

// gate holds requests against the policy and remembers what was approved.
type gate struct {
	mu       sync.Mutex
	text     []byte // of the policy that parsed is; the vault says when it changed
	parsed   *policy.Policy
	pending  map[string]*pending
	approved map[[32]byte]approval
	imports  map[string]imported    // what MCP clients may import, by client
	last     map[string][]string    // lines of what was approved last, by client and secrets
	uses     map[string][]time.Time // of rules with a limit, by rule: a client's name is its own word
	hits     map[string][]time.Time // fragment hits, by secret
	recalled bool                   // uses and past hold what the audit log says
	past     map[string][]time.Time // fragment hits of before, by the HMAC in the log
	log      Log                    // that past is from
}

// An approval holds until its end, or for one use.
type approval struct {
	until  time.Time
	single bool
}

// Limits of the gate.
const (
	pendingTime  = 3 * time.Minute // how long a request waits for approval
	approvedTime = DefaultHard     // how long "once" and "session" hold at most
	maxPending   = 32
	maxLast      = 256 // approvals that later requests are compared with
	maxHits      = 16  // fragments of one secret masked in an hour, before its use is asked for
)

func newGate() *gate {
	return &gate{pending: map[string]*pending{}, approved: map[[32]byte]approval{}, imports: map[string]imported{}, last: map[string][]string{}, uses: map[string][]time.Time{}, hits: map[string][]time.Time{}}
}

// forget drops every approval: none outlives a lock.
func (g *gate) forget() {
	g.mu.Lock()
	defer g.mu.Unlock()
	clear(g.pending)
	clear(g.approved)
	clear(g.imports)
	clear(g.last)
	clear(g.uses) // these two come back from the audit log
	clear(g.hits)
	g.recalled, g.past, g.log = false, nil, nil
}

// policy returns the vault's policy, or the default. One that cannot be read
// or understood lets nothing through.
func (s *Server) policy(ctx context.Context, o *opened) (*policy.Policy, error) {
	text, err := o.vault.Sealed(ctx, vault.Policy)
	if errors.Is(err, vault.ErrNotFound) {
		text, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	g := s.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.parsed == nil || !bytes.Equal(text, g.text) {
		p := policy.Default()
		if text != nil {
			if p, err = policy.Parse(text); err != nil {
				return nil, &agent.Error{Err: agent.ErrDenied, Message: "the vault's policy does not parse: " + err.Error(), Advice: `"ov policy edit" mends it`}
			}
		}
		g.parsed, g.text = p, text
		clear(g.approved) // they were given under other rules
		clear(g.imports)
	}
	return g.parsed, nil
}

// currentPolicy is policy of the open vault.
func (s *Server) currentPolicy(ctx context.Context) (*policy.Policy, error) {
	o, done, err := s.use()
	if err != nil {
		return nil, err
	}
	defer done()
	return s.policy(ctx, o)
}

// decide asks the policy, then what was approved, and then whoever sent a
// password along with the request in f.
func (s *Server) decide(ctx context.Context, c *client, f *wire.Frame, r *Request) (Decision, error) {
	r.Actor, r.Time = c.actor, s.c.Now()
	if r.Verb == VerbMask && r.Actor.MCP() { // whatever the policy says
		return Decision{Rule: "needles", Reason: "an MCP client gets no needles"}, nil
	}
	p, err := s.currentPolicy(ctx)
	if err != nil {
		return Decision{}, err
	}
	if d, refused := s.loosens(p, r); refused {
		return d, nil
	}
	if err := s.recall(ctx, p); err != nil {
		return Decision{}, err
	}
	v := p.Decide(r.policy())
	d := Decision{Allow: v.Allow, Rule: v.Rule, Reason: v.Why, loosen: p.Loosen, exact: v.Bound || v.Approval != policy.Never}
	if !v.Allow {
		d.Hint = `"ov policy explain" says why`
		return d, nil
	}
	if lane := switchedOff(&r.Grant, &p.Loosen); lane != "" {
		return Decision{Rule: "lanes", Reason: "masking without the lane " + lane, Hint: `leave --redact out; lanes that may be switched off stand in the policy ("lanes" of [loosen])`}, nil
	}
	if d, refused, err := s.attested(ctx, &p.Loosen, &r.Grant); refused || err != nil {
		return d, err
	}
	switch {
	case r.Asked:
		v.Approval = policy.Never
	case r.Ask:
		v.Approval = policy.Always
	}
	if v.Approval != policy.Never {
		r.Actor.Agent = s.around(r.Actor) // a yes to the person is none to an agent in the same shell
	}
	d = s.gate.admit(r, v, d)
	if d.ask != nil && f.Approve != "" && len(f.Files) > 0 {
		if err := s.askHere(ctx, c, d.ask, f.Files[0], agent.PasswordKind(f.Approve), &p.Loosen); err != nil {
			return Decision{}, err
		}
		d.Allow, d.ask = true, nil
		d = s.gate.admit(r, v, d)
	}
	if d.Allow && !r.unchanged() {
		return Decision{Rule: "program", Reason: shown(r.Grant.Executable) + " was changed or exchanged while it was looked at", Hint: "run it again; if that helps only once, find out what writes to it"}, nil
	}
	return d, ctx.Err()
}

// unchanged reports whether the program is still the file that the client found and
// that was looked at here, by the name under which the rules know it. It comes last:
// what has not changed by now was the same when its content was summed up.
func (r *Request) unchanged() bool {
	if r.Grant.File == "" { // a command within a session: no rule that names programs let it in
		return true
	}
	return r.Grant.File.Is(cmp.Or(r.program, r.Grant.Executable))
}

// admit applies what is remembered: limits, fragment hits, approvals.
func (g *gate) admit(r *Request, v policy.Verdict, d Decision) Decision {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range v.Limits {
		g.uses[l.Rule] = recent(g.uses[l.Rule], r.Time.Add(-l.Per))
		if len(g.uses[l.Rule]) >= l.Max {
			d.Allow, d.Rule, d.Reason = false, l.Rule, "used as often as the rule allows"
			return d
		}
	}
	how := v.Approval
	if name, many := g.hot(r); many && how == policy.Never {
		how, d.Reason = policy.Always, "fragments of "+name+" were masked unusually often: is somebody searching for it?"
	}
	if how != policy.Never {
		d = g.ask(r, how, d, v.PIN)
	}
	if d.Allow && !r.Peek {
		for _, l := range v.Limits {
			g.uses[l.Rule] = append(g.uses[l.Rule], r.Time)
			d.limits = append(d.limits, l.Rule)
		}
	}
	return d
}

// ask answers from the approvals given, or makes the request a pending one.
func (g *gate) ask(r *Request, how policy.Approval, d Decision, pin bool) Decision {
	key := r.key(how, d.Rule)
	if a, ok := g.approved[key]; ok && r.Time.Before(a.until) {
		if a.single && !r.Peek {
			delete(g.approved, key)
		}
		return d
	}
	d.Allow = false
	d.ask = g.wait(r, how, key, r.takesPIN(how, pin))
	if d.ask == nil {
		d.Reason = "too many requests wait for approval"
	}
	return d
}

// policy is r as the rules see it, with links resolved here and not by the client.
func (r *Request) policy() policy.Request {
	g := &r.Grant
	r.program = resolved(g.Executable)
	return policy.Request{
		Verb: string(r.Verb), By: string(r.By), Client: r.Actor.Client, Refs: r.Refs, Executable: r.program, Declared: g.Executable, Argv: g.Argv,
		Dir: resolved(g.Dir), Env: slices.Concat(g.Inherited, g.ExtraEnv), Homes: ownHomes(), Delivery: g.Delivery, Reason: g.Reason, Time: r.Time,
		Sum:   func() (string, error) { return sumOf(r.program) },
		Loose: func() bool { loose, err := inode.OthersMay(r.program, os.Geteuid()); return loose || err != nil },
	}
}

// resolved follows the links in path; where that fails no rule that names a
// path fits. What lies in /proc or /dev is something else for each process that
// looks: /proc/self/exe is the agent, here.
func resolved(path string) string {
	if path == "" {
		return ""
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	for _, p := range []string{filepath.Clean(path), real} {
		if strings.HasPrefix(p, "/proc/") || strings.HasPrefix(p, "/dev/") {
			return ""
		}
	}
	return real
}

// ownHomes returns the user's home as the system has it, in both ways in which a
// request carries it: as it is, and hashed. The environment is not asked: it is
// what is in doubt.
func ownHomes() []string {
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	if err != nil || u.HomeDir == "" {
		return nil
	}
	return []string{u.HomeDir, agent.HashedVariable(u.HomeDir)}
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// key identifies what an approval holds for: these secrets and this client for
// a session, and everything that was declared otherwise.
func (r *Request) key(how policy.Approval, rule string) [32]byte {
	h := sha256.New()
	part := func(parts ...string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(parts)))
		h.Write(n[:])
		for _, p := range parts {
			binary.BigEndian.PutUint32(n[:], uint32(len(p)))
			h.Write(n[:])
			io.WriteString(h, p)
		}
	}
	part("ov/v1/request", string(how), rule, string(r.Verb), r.Actor.Client, r.Actor.Agent, r.What, string(r.By))
	for _, ref := range slices.SortedFunc(slices.Values(r.Refs), compareRefs) {
		part(ref.String(), r.Grant.Delivery[ref.String()])
	}
	if how != policy.Session {
		g := &r.Grant
		sum, err := sumOf(cmp.Or(r.program, g.Executable))
		if err != nil {
			sum = "unreadable"
		}
		part(r.program, sum, resolved(g.Dir), g.StdinHash, g.Lanes, g.Session)
		part(g.Argv...)
		part(g.ExtraEnv...)
		part(telling(g.Inherited)...)
	}
	return [32]byte(h.Sum(nil))
}

// telling leaves out the variables that change with every shell.
func telling(env []string) []string {
	out := slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains([]string{"SHLVL", "_", "OLDPWD", "PWD", "COLUMNS", "LINES"}, name)
	})
	slices.Sort(out)
	return out
}

func compareRefs(a, b secret.Ref) int { return strings.Compare(a.String(), b.String()) }

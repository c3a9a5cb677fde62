package serve

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// Verb is what a request wants to do with secrets.
type Verb string

// The verbs that pass the gate.
const (
	VerbRun     Verb = "run"
	VerbMask    Verb = "mask"
	VerbSession Verb = "session"
	VerbReveal  Verb = "reveal"
	VerbCreate  Verb = "create" // of a secret that need not exist; update otherwise
	VerbUpdate  Verb = "update"
	VerbDelete  Verb = "delete"
)

// A Request is what the gate decides on: everything that was declared.
type Request struct {
	Verb  Verb
	Actor Actor
	Refs  []secret.Ref
	Grant agent.GrantRequest // of run, mask and session
	Time  time.Time
}

// A Decision is the gate's answer.
type Decision struct {
	Allow      bool
	Rule       string   // names the rule that decided, for people
	Reason     string   // why not, in one line
	Hint       string   // what to do about a refusal
	AllowNames []string // variable names usually refused that may be injected
}

// A Gate decides before anything is decrypted. It may ask a person, and then
// takes its time; ctx ends when the client gives up.
type Gate interface {
	Check(ctx context.Context, r Request) Decision
}

// Open is the gate of a vault without a policy.
type Open struct{}

// Check allows what a client of this user may do anyway: only needles are kept
// from coding agents, since whoever holds them can ask "was that the value?".
func (Open) Check(_ context.Context, r Request) Decision {
	if r.Verb == VerbMask && r.Actor.MCP() {
		return Decision{Rule: "default", Reason: "an MCP client gets no needles"}
	}
	return Decision{Allow: true, Rule: "default"}
}

// Digest identifies what was declared, whole: an approval holds for this and
// nothing else.
func (r *Request) Digest() [32]byte {
	h := sha256.New()
	part := func(parts ...string) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(parts)))
		h.Write(n[:])
		for _, p := range parts {
			binary.BigEndian.PutUint32(n[:], uint32(len(p)))
			h.Write(n[:])
			h.Write([]byte(p))
		}
	}
	g := &r.Grant
	part("ov/v1/request", string(r.Verb), r.Actor.Client)
	part(g.Executable, g.Dir, g.StdinHash, g.Lanes, g.Session)
	part(g.Argv...)
	part(g.ExtraEnv...)
	for _, ref := range slices.SortedFunc(slices.Values(r.Refs), compareRefs) {
		part(ref.String(), g.Delivery[ref.String()])
	}
	return [32]byte(h.Sum(nil))
}

func compareRefs(a, b secret.Ref) int {
	switch as, bs := a.String(), b.String(); {
	case as < bs:
		return -1
	case as > bs:
		return 1
	}
	return 0
}

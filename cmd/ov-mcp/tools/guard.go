package tools

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
)

// guard looks at what the model sends: a secret in an argument has been in the
// model's context, its provider's logs and the client's transcript, so it is
// refused with advice instead of being stored or run.
//
// It knows credentials by their shape, and the values that this server was
// granted by a keyed hash each: the values themselves are not kept.
type guard struct {
	key [32]byte

	mu    sync.Mutex
	known map[int]map[uint64][]known // by length, by rolling hash
	count int
}

type known struct {
	mac  [sha256.Size]byte
	name string
}

const (
	minKnown = 8    // shorter values occur by chance
	maxKnown = 8192 // values remembered; later ones are not looked for
)

func newGuard() *guard {
	g := &guard{known: map[int]map[uint64][]known{}}
	rand.Read(g.key[:])
	return g
}

// learn remembers the values of a grant.
func (g *guard) learn(secrets []agent.Secret) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range secrets {
		v := s.Value.Reveal()
		if s.Plain || len(v) < minKnown || g.count >= maxKnown {
			continue
		}
		byHash := g.known[len(v)]
		if byHash == nil {
			byHash = map[uint64][]known{}
			g.known[len(v)] = byHash
		}
		h, mac := hash(v), g.mac(v)
		if !contains(byHash[h], mac) {
			byHash[h] = append(byHash[h], known{mac, s.Ref.Name})
			g.count++
		}
	}
}

func contains(list []known, mac [sha256.Size]byte) bool {
	for _, k := range list {
		if k.mac == mac {
			return true
		}
	}
	return false
}

func (g *guard) mac(v []byte) (out [sha256.Size]byte) {
	m := hmac.New(sha256.New, g.key[:])
	m.Write(v)
	m.Sum(out[:0])
	return out
}

// look is one use of the guard: the values that it knows, and the shapes of the
// scanners that are installed now.
type look struct {
	*guard
	shapes *redact.Set // nil: none
}

// check looks at every string of the arguments. It returns the argument that
// holds a secret and what kind of one, or "".
func (g look) check(arguments map[string]json.RawMessage) (name, what string, err error) {
	for _, name := range slices.Sorted(maps.Keys(arguments)) {
		var v any
		if err := json.Unmarshal(arguments[name], &v); err != nil {
			return "", "", badInput("argument %q is not JSON", name)
		}
		if what := g.find(v); what != "" {
			return name, what, nil
		}
	}
	return "", "", nil
}

// find returns what kind of secret is somewhere in v, or "".
func (g look) find(v any) string {
	switch v := v.(type) {
	case string:
		return g.text(v)
	case []any:
		for _, e := range v {
			if what := g.find(e); what != "" {
				return what
			}
		}
	case map[string]any:
		for k, e := range v {
			if what := g.text(k); what != "" {
				return what
			}
			if what := g.find(e); what != "" {
				return what
			}
		}
	}
	return ""
}

func (g look) text(s string) string {
	if name := g.granted([]byte(s)); name != "" {
		return "the value of " + name
	}
	if g.shapes == nil {
		return ""
	}
	w := redact.NewWriter(discard{}, g.shapes, nil)
	w.Write([]byte(s))
	w.Close()
	for _, c := range w.Counts() {
		return "the shape of " + or(c.Rule, c.Name)
	}
	return ""
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// granted looks for a known value anywhere in s: a rolling hash over each
// length that occurs, and the keyed hash where it fits.
func (g *guard) granted(s []byte) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, byHash := range g.known {
		if n > len(s) {
			continue
		}
		h, top := hash(s[:n]), power(n-1)
		for i := 0; ; i++ {
			for _, k := range byHash[h] {
				if g.mac(s[i:i+n]) == k.mac {
					return k.name
				}
			}
			if i+n == len(s) {
				break
			}
			h = (h-uint64(s[i])*top)*base + uint64(s[i+n])
		}
	}
	return ""
}

// base of the polynomial hash, modulo 2^64: any odd number will do, since a hit
// is confirmed by the keyed hash.
const base = 0x9E3779B97F4A7C15

func hash(b []byte) (h uint64) {
	for _, c := range b {
		h = h*base + uint64(c)
	}
	return h
}

func power(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= base
	}
	return p
}

package serve

import (
	"bytes"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"math/bits"
	"os"

	"github.com/opaquevault/ov/core/secret"
)

// The places where the agent looks inside a value for a person at a terminal
// are here, together, so that they can be read together.

// same reports whether two values are equal.
func same(a, b secret.Value) bool { return subtle.ConstantTimeCompare(a.Reveal(), b.Reveal()) == 1 }

// endsWith reports whether line is the last group of key, which is written in
// groups between hyphens.
func endsWith(key, line secret.Value) bool {
	group := key.Reveal()
	group = group[bytes.LastIndexByte(group, '-')+1:]
	return bytes.EqualFold(bytes.TrimSpace(line.Reveal()), group)
}

// withoutNewline returns line without one newline at its end.
func withoutNewline(line secret.Value) secret.Value {
	return secret.New(bytes.TrimSuffix(bytes.TrimSuffix(line.Reveal(), []byte("\n")), []byte("\r")))
}

// isYes reports whether line is y or yes.
func isYes(line secret.Value) bool {
	answer := bytes.TrimSpace(line.Reveal())
	return bytes.EqualFold(answer, []byte("y")) || bytes.EqualFold(answer, []byte("yes"))
}

// bits estimates how many guesses v takes, as a power of two.
func (s *Server) bits(v secret.Value) float64 {
	if s.c.Strength == nil {
		return 0
	}
	return s.c.Strength(v.Reveal())
}

// isPIN reports whether v is 6 to 12 digits, more than two different ones.
func isPIN(v secret.Value) bool {
	seen := 0
	for _, b := range v.Reveal() {
		if b < '0' || b > '9' {
			return false
		}
		seen |= 1 << (b - '0')
	}
	return v.Len() >= 6 && v.Len() <= 12 && bits.OnesCount(uint(seen)) > 2
}

// pinSum is what is kept of a PIN.
func pinSum(pin secret.Value, salt []byte) []byte {
	sum, err := pbkdf2.Key(sha256.New, string(pin.Reveal()), salt, pinRounds, sha256.Size)
	if err != nil {
		panic("serve: PBKDF2: " + err.Error()) // the parameters are constants
	}
	return sum
}

const pinRounds = 100_000

func pinMatches(pin secret.Value, d pinDoc) bool {
	return subtle.ConstantTimeCompare(pinSum(pin, d.Salt), d.Sum) == 1
}

// print writes v as it is.
func print(f *os.File, v secret.Value) error {
	_, err := f.Write(v.Reveal())
	return err
}

// writeLine writes v and a newline, in one piece.
func writeLine(f *os.File, v secret.Value) error {
	line := append(bytes.Clone(v.Reveal()), '\n')
	defer clear(line)
	_, err := f.Write(line)
	return err
}

// plainOf is what a value is, to be sealed.
func plainOf(v secret.Value) []byte { return v.Reveal() }

// secretKeyIn finds the Secret Key in a recovery kit, or returns all of a text
// that is no kit.
func secretKeyIn(kit secret.Value) secret.Value {
	text := kit.Reveal()
	for line := range bytes.Lines(text) {
		if i := bytes.Index(line, []byte("OV1-")); i >= 0 {
			return secret.New(bytes.Clone(bytes.TrimSpace(line[i:])))
		}
	}
	return secret.New(bytes.Clone(bytes.TrimSpace(text)))
}

// printable returns v with what would steer a terminal spelled out.
func printable(v secret.Value) secret.Value {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, 4*v.Len()+1)
	for _, b := range v.Reveal() {
		if b < ' ' && b != '\n' && b != '\t' || b == 0x7f {
			out = append(out, '\\', 'x', hex[b>>4], hex[b&15])
			continue
		}
		out = append(out, b)
	}
	return secret.New(append(out, '\n'))
}

package encode

import (
	"math/rand/v2"
	"strings"
	"testing"
)

const (
	digitChars = "0123456789"
	lowerChars = "abcdefghijklmnopqrstuvwxyz"
	upperChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

func random(r *rand.Rand, alphabet string, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return b
}

// TestRandomIsSpecific: every run of 12 bytes of a random value of 32
// characters, whatever its alphabet, is specific in the exact form and in each
// encoding that says a byte of the value in at most two.
func TestRandomIsSpecific(t *testing.T) {
	for _, c := range [][2]string{
		{"letters and digits", digitChars + lowerChars + upperChars}, {"hex", "0123456789abcdef"}, {"HEX", "0123456789ABCDEF"},
		{"small", digitChars + lowerChars}, {"capitals", upperChars + "234567"}, {"base64", digitChars + lowerChars + upperChars + "+/"},
		{"letters", lowerChars + upperChars}, {"digits", digitChars}, {"only small letters", lowerChars},
		{"printable", digitChars + lowerChars + upperChars + "!@#$%^&*()-_=+[]{};:,.<>?/|~"},
	} {
		name, alphabet := c[0], c[1]
		r := rand.New(rand.NewPCG(3, 4))
		fails, runs := 0, 0
		for range 200 {
			s := New(random(r, alphabet, 32))
			forms := append(append(s.Exact(), s.Encoded()...), s.Squeezed()...)
			for _, f := range forms {
				if !f.Dense || f.Window(12) != 12 {
					continue
				}
				spec := f.Specific(12)
				for i := 0; i < len(f.Bytes)-11; i += max(1, f.step) {
					runs++
					if spec == nil || !spec[i] {
						fails++
						t.Logf("%s: %q of %q (%s) is not specific", name, f.Bytes[i:i+12], s.value, f.Kind)
					}
				}
			}
		}
		if fails > 0 {
			t.Errorf("%s: %d of %d runs are not specific", name, fails, runs)
		}
		if runs < 200*21*8 {
			t.Errorf("%s: only %d runs were looked at", name, runs)
		}
	}
}

// TestDense names the forms that have fragments of 12 bytes.
func TestDense(t *testing.T) {
	s := New([]byte("lcmnE2UR8BfRw7OmjV4K3dC1KhjpxSaf"))
	windows := map[string]int{}
	for _, f := range append(append(s.Exact(), s.Encoded()...), s.Squeezed()...) {
		if f.Dense {
			windows[f.Kind] = f.Window(12)
		}
	}
	want := map[string]int{
		"exact": 12, "base64": 12, "base64url": 12, "base32": 12, "hex": 12, "reversed": 12, "hex-words": 12, "hex-longs": 12, "hex-reversed": 12,
		"decimal-list": 15, "octal-list": 18, "octal-words": 18, "uuencode": 12,
	}
	for kind, n := range windows {
		if want[kind] != n {
			t.Errorf("%s: window %d, want %d", kind, n, want[kind])
		}
	}
	for kind := range want {
		if windows[kind] == 0 && kind != "base64url" {
			t.Errorf("%s has no fragments", kind)
		}
	}
}

// TestSpecific marks with carets where the specific runs of 12 bytes start.
func TestSpecific(t *testing.T) {
	for _, c := range [][2]string{
		{"lcmnE2UR8BfRw7Om", "^^^^^"},
		{"postgres://localhost:5432/production", ""},
		{"https://www.googleapis.com/oauth2/v1/certs", ""},
		{"the connection to the database was closed", ""},
		{"123456789012345678", ""},
		{"aaaaaaaaaaaaaaaaaaaa", ""},
		{"current-context: production", ""},
		{"-----BEGIN RSA PRIVATE KEY-----", ""},
		{"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", ""},
		{"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI5In0.Zq8kP2mW7vXc", strings.Repeat(" ", 43) + strings.Repeat("^", 11)},
		{`"universe_domain": "googleapis.com"`, ""},
		{"at 2026-01-31 10:", ""},
		{"postgres://app:Zq8kP2mW7vXcQ9@db.internal/x", "          ^^^^^^^^^^^^^"},
		{"https://app:hunter2@example.com/Zq8kP2mW7vXcQ9", "                          ^^^^^^^^^"},
		{"-----Zq8kP2mW7vXc-----", "^^^^^^^^^^^"},
		{`say "Zq8kP2mW7vXc":`, "^^^^^^^^"},
		{"https://hooks.slack.com/services/Zq8kP2mW7vXc", strings.Repeat(" ", 26) + "^^^^^^^^"},
	} {
		s := New([]byte(c[0]))
		marks := ""
		for _, ok := range s.Exact()[0].Specific(12) {
			marks += map[bool]string{true: "^", false: " "}[ok]
		}
		if got := strings.TrimRight(marks, " "); got != c[1] {
			t.Errorf("%s\n%s got\n%s want", c[0], got, c[1])
		}
	}
}

// TestReverseSpecific: the fragments of the reversed form are those of the
// value, read backwards.
func TestReverseSpecific(t *testing.T) {
	s := New([]byte("postgres://app:Zq8kP2mW7vXcQ9@db.internal/x"))
	forward := s.Exact()[0].Specific(12)
	for _, f := range s.Encoded() {
		if f.Kind != "reversed" {
			continue
		}
		backward := f.Specific(12)
		for i := range forward {
			if forward[i] != backward[len(backward)-1-i] {
				t.Errorf("run %d: %v forwards, %v backwards", i, forward[i], backward[len(backward)-1-i])
			}
		}
		return
	}
	t.Error("no reversed form")
}

// TestGroups: what a dump prints in groups has no fragments that begin inside one.
func TestGroups(t *testing.T) {
	steps := map[string]int{"octal-list": 3, "octal-words": 6, "hex-words": 4, "hex-longs": 4}
	seen := 0
	for _, f := range Squeezed([]byte("lcmnE2UR8BfRw7OmjV4K3dC1KhjpxSaf")) {
		step, ok := steps[f.Kind]
		if !ok || !f.Dense {
			continue
		}
		seen++
		n := f.Window(16)
		if n%step != 0 {
			t.Errorf("%s: windows of %d are no groups of %d", f.Kind, n, step)
		}
		for i, is := range f.Specific(n) {
			if is != (i%step == 0) {
				t.Errorf("%s: %v at %d", f.Kind, is, i)
			}
		}
	}
	if seen != 1+2+2+4 {
		t.Errorf("%d forms of groups", seen)
	}
}

// TestCovered: a form is called covered only if each byte of it lies in a window.
func TestCovered(t *testing.T) {
	covered := 0
	for _, v := range []string{"lcmnE2UR8BfRw7OmjV4K3dC1KhjpxSaf", "postgres://app:Zq8kP2mW7vXcQ9@db.internal/x", "correct horse battery staple", awkward, "k9Q2x7w8"} {
		for _, f := range Squeezed([]byte(v)) {
			if !f.Covered(16) {
				continue
			}
			covered++
			n, end := f.Window(16), 0
			for i, is := range f.Specific(n) {
				if is && i <= end {
					end = i + n
				}
			}
			if end != len(f.Bytes) {
				t.Errorf("%s of %q: windows cover %d of %d bytes", f.Kind, v, end, len(f.Bytes))
			}
		}
	}
	if covered < 10 {
		t.Errorf("only %d forms are covered: the test is blind", covered)
	}
}

func TestSpecificShort(t *testing.T) {
	f := Exact([]byte("Zq8kP2mW7vXc"))[0]
	for n, want := range map[int]int{0: 0, -1: 0, 5: 0, 6: 7, 12: 1, 13: 0, 1000: 0} {
		if got := len(f.Specific(n)); got != want {
			t.Errorf("Specific(%d) has %d answers, want %d", n, got, want)
		}
	}
}

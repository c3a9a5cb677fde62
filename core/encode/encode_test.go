package encode

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// awkward has a character of each kind that a format escapes.
const awkward = "pa$s w0rd'&<\"x\\y/z+=%é,k9:Q2"

// golden are values whose forms are written down, one file each. A change of
// the list of forms shows in the diff of the file.
var golden = map[string]string{
	"token":    "lcmnE2UR8BfRw7OmjV4K3dC1KhjpxSaf",
	"hexkey":   "61e8fd841404fcd70761915d50ffe28f",
	"awkward":  awkward,
	"url":      "postgres://app:Xk29%40fjQ2@db.internal.example.com:5432/prod?sslmode=require",
	"pem":      "-----BEGIN PRIVATE KEY-----\r\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49\r\nQ7v0+a/x2K8mPz==\r\n-----END PRIVATE KEY-----\r\n",
	"document": "{\n  \"type\": \"service_account\",\n  \"private_key\": \"-----BEGIN KEY-----\\nq8Zk/2mN+4vX9\\n-----END KEY-----\\n\"\n}\n",
	"short":    "k9Q2x7",
	"pin":      "8080",
	"setting":  "Server=db;User=app;Password=Zq8!kP2#mW;Pooling=true",
	"words":    "correct horse battery staple",
}

func TestGolden(t *testing.T) {
	for name, value := range golden {
		var b bytes.Buffer
		for _, lane := range []struct {
			name  string
			forms []Form
		}{{"exact", Exact([]byte(value))}, {"encoded", Encoded([]byte(value))}, {"squeezed", Squeezed([]byte(value))}} {
			fmt.Fprintf(&b, "# %s\n", lane.name)
			for _, f := range lane.forms {
				word := ""
				if f.Word {
					word = " word"
				}
				fmt.Fprintf(&b, "%s%s %q\n", f.Kind, word, f.Bytes)
			}
		}
		file := "testdata/forms/" + name + ".txt"
		if *update {
			if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: the forms differ from %s (go test -update rewrites it):\n%s", name, file, b.Bytes())
		}
	}
}

// TestNeighbours holds the forms of group encodings against the encoder, with
// every neighbour: whatever stands around the value, the encoding holds one of
// its forms, and the bytes that this leaves over say nothing of the value but
// for those shared with a neighbour.
func TestNeighbours(t *testing.T) {
	value := "Zq8kP2mW7vXc"
	forms := Encoded([]byte(value))
	for _, c := range []struct {
		kind   string
		encode func([]byte) string
		shared int // characters, at most, that a neighbour shares at the two ends together
		perK   int // characters of a group
		perN   int // bytes of a group
	}{
		{"base64", base64.StdEncoding.EncodeToString, 2, 4, 3},
		{"base64", base64.RawStdEncoding.EncodeToString, 2, 4, 3},
		{"base32", base32.StdEncoding.EncodeToString, 2, 8, 5},
		{"hex", hex.EncodeToString, 0, 2, 1},
	} {
		for before := range 16 {
			for after := range 16 {
				in := strings.Repeat("\xff", before) + value + strings.Repeat("\x00", after)
				out := c.encode([]byte(in))
				longest, closing := 0, 0
				for _, f := range forms {
					if f.Kind == c.kind && strings.Contains(out, string(f.Bytes)) {
						longest = max(longest, len(f.Bytes))
					}
					if f.Kind == c.kind && strings.HasSuffix(out, string(f.Bytes)) {
						closing = max(closing, len(f.Bytes))
					}
				}
				first := (before*c.perK + c.perN - 1) / c.perN
				if after == 0 && closing != len(out)-first {
					t.Errorf("%s of %d bytes and the value: %q is closed by a form of %d characters, want %d", c.kind, before, out, closing, len(out)-first)
				}
				if need := len(value)*c.perK/c.perN - c.shared; longest < need {
					t.Errorf("%s of %d bytes, the value and %d bytes: %d characters found, want %d", c.kind, before, after, longest, need)
				}
			}
		}
	}
}

// TestClosings: base64 of the line that echo prints is a form to its last
// character, whatever stands before the value, and so is that of each value of
// four bytes and more.
func TestClosings(t *testing.T) {
	for n := 4; n < 20; n++ {
		value := "Zq8kP2mW7vXc5RtY1uJd"[:n]
		forms := Encoded([]byte(value))
		has := func(s string) bool {
			return slices.ContainsFunc(forms, func(f Form) bool { return string(f.Bytes) == s })
		}
		for before := range 3 {
			for _, after := range []string{"", "\n"} {
				out := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", before) + value + after))
				if form := out[(8*before+5)/6:]; len(form) >= minForm && !has(form) {
					t.Errorf("%q after %d bytes and before %q: %q is no form", value, before, after, form)
				}
			}
		}
	}
}

// TestTrimmed: the forms of a value that was stored with white space around it
// are those of what a program passes on.
func TestTrimmed(t *testing.T) {
	plain, padded := "Zq8kP2mW7vXc", " \tZq8kP2mW7vXc\r\n"
	if a, b := texts(Encoded([]byte(plain))), texts(Encoded([]byte(padded))); a != b {
		t.Errorf("encoded forms differ:\n%s\n%s", a, b)
	}
	if a, b := texts(Squeezed([]byte(plain))), texts(Squeezed([]byte(padded))); a != b {
		t.Errorf("squeezed forms differ:\n%s\n%s", a, b)
	}
	if got, want := texts(Exact([]byte(padded))), fmt.Sprintf("%q\n%q\n", padded, plain); got != want {
		t.Errorf("exact forms: %s, want %s", got, want)
	}
}

func texts(forms []Form) string {
	var b strings.Builder
	for _, f := range forms {
		fmt.Fprintf(&b, "%q\n", f.Bytes)
	}
	return b.String()
}

// TestNothing: what is too short to be masked has no forms in any lane.
func TestNothing(t *testing.T) {
	for _, v := range []string{"", "\n", "      \n", "abc", "\x00", " abc "} {
		for lane, forms := range [][]Form{Exact([]byte(v)), Encoded([]byte(v)), Squeezed([]byte(v))} {
			if len(forms) > 0 {
				t.Errorf("lane %d of %q: form %q", lane, v, forms[0].Bytes)
			}
		}
	}
}

// check holds the rules that every list of forms keeps.
func check(t *testing.T, value []byte) {
	t.Helper()
	s := New(value)
	before := bytes.Clone(value)
	exact, encoded, squeezed := s.Exact(), s.Encoded(), s.Squeezed()
	seen := map[string]bool{}
	for i, f := range append(exact, encoded...) {
		if seen[string(f.Bytes)] {
			t.Errorf("%q: form %q (%s) comes twice", value, f.Bytes, f.Kind)
		}
		seen[string(f.Bytes)] = true
		switch {
		case f.Kind == "":
			t.Errorf("%q: form %q has no kind", value, f.Bytes)
		case f.Word && (i < len(exact) && len(f.Bytes) > 7 || len(f.Bytes) < 4 || len(bytes.TrimSpace(value)) > 7):
			t.Errorf("%q: form %q (%s) is a word", value, f.Bytes, f.Kind)
		case !f.Word && len(f.Bytes) < 8:
			t.Errorf("%q: form %q (%s) is short and not a word", value, f.Bytes, f.Kind)
		}
	}
	for _, f := range squeezed {
		if slices.ContainsFunc(f.Bytes, Separator) || len(f.Bytes) < 8 || f.Word {
			t.Errorf("%q: squeezed form %q (%s)", value, f.Bytes, f.Kind)
		}
	}
	for _, f := range append(append(exact, encoded...), squeezed...) {
		n := f.Window(12)
		if spec := f.Specific(n); spec != nil && len(spec) != len(f.Bytes)-n+1 {
			t.Errorf("%q: %d answers for %d runs", value, len(spec), len(f.Bytes)-n+1)
		}
	}
	if again := New(value); texts(again.Exact()) != texts(exact) || texts(again.Encoded()) != texts(encoded) || texts(again.Squeezed()) != texts(squeezed) {
		t.Errorf("%q: the forms change from call to call", value)
	}
	if !bytes.Equal(value, before) {
		t.Errorf("%q became %q", before, value)
	}
}

// TestArchive: the forms of a long value are not many times as long.
func TestArchive(t *testing.T) {
	value := random(rand.New(rand.NewPCG(1, 1)), "0123456789abcdef\n", 1<<20)
	s := New(value)
	size := 0
	for _, forms := range [][]Form{s.Exact(), s.Encoded(), s.Squeezed()} {
		for _, f := range forms {
			size += len(f.Bytes)
		}
	}
	if size > 24*len(value) {
		t.Errorf("forms of %d bytes for a value of %d", size, len(value))
	}
	if got := len(kinds(s.Encoded(), "base64")); got != 3 {
		t.Errorf("%d forms in base64, want 3", got)
	}
}

// TestManyLines: a document that repeats its lines has a form for each once.
func TestManyLines(t *testing.T) {
	var b bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&b, "Zq8kP2mW7vXc-%d\n", i%1000)
	}
	if got := len(kinds(Exact(b.Bytes()), "line")); got != 1000 {
		t.Errorf("%d forms of 1000 lines", got)
	}
}

func TestRules(t *testing.T) {
	for _, v := range golden {
		check(t, []byte(v))
	}
}

func FuzzForms(f *testing.F) {
	for _, v := range golden {
		f.Add([]byte(v))
	}
	f.Add([]byte("://@:"))
	f.Add([]byte("a://b:c@\n-----BEGIN -----"))
	f.Add([]byte("\xff\xfe\x00\x80é\u2028\U0001f600"))
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) < 4096 {
			check(t, value)
			Strength(value)
		}
	})
}

func BenchmarkForms(b *testing.B) {
	value := []byte(golden["token"])
	b.ReportAllocs()
	for b.Loop() {
		s := New(value)
		s.Exact()
		s.Encoded()
		s.Squeezed()
	}
}

// BenchmarkVault spells 50 realistic secrets, with their specific fragments.
func BenchmarkVault(b *testing.B) {
	b.ReportAllocs()
	n, size, secrets := 0, 0, vault()
	for b.Loop() {
		n, size = 0, 0
		for _, v := range secrets {
			s := New(v)
			for _, forms := range [][]Form{s.Exact(), s.Encoded(), s.Squeezed()} {
				for _, f := range forms {
					f.Specific(f.Window(12))
					n, size = n+1, size+len(f.Bytes)
				}
			}
		}
	}
	b.ReportMetric(float64(n), "forms")
	b.ReportMetric(float64(size), "bytes")
}

// TestEscapeOfJavaScript: escape keeps signs that no other encoder of URLs keeps
// together.
func TestEscapeOfJavaScript(t *testing.T) {
	const want = "Zq8%21k@P2*m_W+7-v.X/c%235RtY"
	if !slices.ContainsFunc(Encoded([]byte("Zq8!k@P2*m_W+7-v.X/c#5RtY")), func(f Form) bool { return string(f.Bytes) == want }) {
		t.Errorf("no form %q", want)
	}
}

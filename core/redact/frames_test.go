package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

const frameSecret = `p"a\s/s<wörd>&é-4711`

func frames(t testing.TB, cut int, in string) string {
	t.Helper()
	set, err := Compile([]Needle{
		{Name: "S", Value: secret.New([]byte(frameSecret))},
		{Name: "N", Value: secret.New([]byte("8675309123"))},
	}, Options{Lanes: All})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := NewFrames(&out, set)
	for b := []byte(in); len(b) > 0; {
		n := min(max(cut, 1), len(b))
		if _, err := f.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// unicode spells every character as \uXXXX.
func unicode(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

func TestFrames(t *testing.T) {
	quoted, _ := json.Marshal(frameSecret)
	q := strings.Trim(string(quoted), `"`)
	for in, want := range map[string]string{
		`{"id":1,"result":{"text":"a ` + q + ` b"}}` + "\n":       `{"id":1,"result":{"text":"a [REDACTED:S] b"}}` + "\n",
		`{"id":1,"x":"` + unicode(frameSecret) + `"}` + "\n":      `{"id":1,"x":"[REDACTED:S]"}` + "\n",
		`{"` + q + `":1}` + "\n":                                  `{"[REDACTED:S]":1}` + "\n",
		`{"id":8675309123,"n":8675309123,"m":86753091234}` + "\n": `{"id":8675309123,"n":"[REDACTED:N]","m":"[REDACTED:N]4"}` + "\n",
		`{"a":{"id":8675309123}}` + "\n":                          `{"a":{"id":"[REDACTED:N]"}}` + "\n",
		`{"keep":"\u00e9\/\ud83d", "f":1.50e3 ,"t":true}` + "\n":  `{"keep":"\u00e9\/\ud83d", "f":1.50e3 ,"t":true}` + "\n",
		"log: " + frameSecret + "\n":                              "log: [REDACTED:S]\n",
		"\n  \n" + `[{"id":1}]` + "\r\n":                          "\n  \n" + `[{"id":1}]` + "\r\n",
		`{"broken":"` + q + "\n" + `{"id":2}` + "\n":              "",
		`{"cut":"` + q:    "",
		`{"n":8675309123`: `{"n":"[REDACTED:N]"`,
		"no newline":      "no newline",
	} {
		whole := frames(t, len(in), in)
		if want != "" && whole != want {
			t.Errorf("%q became %q, want %q", in, whole, want)
		}
		if strings.Contains(whole, "s<w") || strings.Contains(whole, "4711") && !strings.Contains(want, "4711") {
			t.Errorf("%q leaks in %q", in, whole)
		}
		for cut := 1; cut < len(in); cut++ {
			if got := frames(t, cut, in); got != whole {
				t.Fatalf("%q by %d: %q, whole %q", in, cut, got, whole)
			}
		}
	}
}

// TestFramesPassAtOnce: what is decided is not held until the line ends.
func TestFramesPassAtOnce(t *testing.T) {
	set, err := Compile(nil, Options{Lanes: All})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := NewFrames(&out, set)
	for piece, want := range map[string]string{`{"a":"b",`: `{"a":"b",`} {
		f.Write([]byte(piece))
		if out.String() != want {
			t.Errorf("after %q: %q", piece, out.String())
		}
	}
}

func TestFramesStopAtAnError(t *testing.T) {
	set, err := Compile(nil, Options{Lanes: All})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	f := NewFrames(writerFunc(func([]byte) (int, error) { return 0, broken }), set)
	if _, err := f.Write([]byte("{}\n")); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if _, err := f.Write([]byte("{}\n")); !errors.Is(err, broken) {
		t.Errorf("and again %v", err)
	}
	var late bytes.Buffer // the sink takes it again: what comes behind a gap is not passed on
	failed := false
	f = NewFrames(writerFunc(func(p []byte) (int, error) {
		if !failed {
			failed = true
			return 0, broken
		}
		return late.Write(p)
	}), set)
	for range 3 {
		if _, err := f.Write([]byte("{\"a\":1}\ntext\n")); !errors.Is(err, broken) {
			t.Errorf("write: %v", err)
		}
		if _, err := f.ReadFrom(strings.NewReader("{}\n")); !errors.Is(err, broken) {
			t.Errorf("read from: %v", err)
		}
	}
	if err := f.Close(); !errors.Is(err, broken) || late.Len() > 0 {
		t.Errorf("close: %v, %q came behind the gap", err, late.String())
	}
	f = NewFrames(new(bytes.Buffer), set)
	_, err = f.Write([]byte(`{"` + strings.Repeat("x", maxLiteral+1)))
	if !errors.Is(err, ErrLiteral) {
		t.Errorf("endless string: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// FuzzFrames: cuts change nothing, JSON stays JSON, and the secret is gone.
func FuzzFrames(f *testing.F) {
	f.Add(`{"a":"b","n":12}`+"\n", 3)
	f.Add("text "+frameSecret+"\n{\"x\":\"\\u0070\"}\n", 1)
	f.Fuzz(func(t *testing.T, in string, cut int) {
		if len(in) > 1<<12 {
			return
		}
		whole := frames(t, len(in), in)
		if got := frames(t, cut%64, in); got != whole {
			t.Fatalf("%q by %d: %q, whole %q", in, cut%64, got, whole)
		}
		if strings.Contains(whole, frameSecret) {
			t.Fatalf("%q leaks in %q", in, whole)
		}
		line := strings.TrimSuffix(in, "\n")
		if !strings.Contains(line, "\n") && strings.HasPrefix(line, "{") && json.Valid([]byte(line)) && !json.Valid([]byte(whole)) {
			t.Fatalf("%q is JSON and became %q", in, whole)
		}
	})
}

package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

func TestReadValue(t *testing.T) {
	for _, c := range []struct {
		in   string
		raw  bool
		want string
	}{
		{"abc\n", false, "abc"},
		{"abc\r\n", false, "abc"},
		{"abc\n\n", false, "abc\n"},
		{"abc\r", false, "abc\r"},
		{"abc", false, "abc"},
		{"abc\n", true, "abc\n"},
		{"\n", false, ""},
		{"a\x00b\n", false, "a\x00b"},
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in))} {
			v, err := readValue(r, c.raw)
			if err != nil || string(v.Reveal()) != c.want {
				t.Errorf("%q raw=%v by %s: %q, %v, want %q", c.in, c.raw, name, v.Reveal(), err, c.want)
			}
		}
	}
	if _, err := readValue(iotest.ErrReader(errors.New("broken")), false); err == nil {
		t.Error("a failing reader is no error")
	}
}

// The longest value fits with its newline; one byte more is refused, not cut.
func TestReadValueLimit(t *testing.T) {
	for n, want := range map[int]error{secret.MaxValue: nil, secret.MaxValue + 1: secret.ErrTooLong, secret.MaxValue * 2: secret.ErrTooLong} {
		v, err := readValue(strings.NewReader(strings.Repeat("x", n)+"\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Check(false); !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

func TestGenerate(t *testing.T) {
	for spec, want := range map[string]struct {
		n       int
		letters string
	}{
		"32:alnum":     {32, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
		"8":            {8, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"},
		"64:hex":       {64, "0123456789abcdef"},
		"9:digits":     {9, "0123456789"},
		"40:base64url": {40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"},
	} {
		a, err := generate(spec)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := generate(spec)
		if a.Len() != want.n || strings.Trim(string(a.Reveal()), want.letters) != "" || string(a.Reveal()) == string(b.Reveal()) {
			t.Errorf("%s: %q and %q", spec, a.Reveal(), b.Reveal())
		}
	}
	for _, bad := range []string{"7", "4097", "x", "-1", "32:emoji", ":hex"} {
		if _, err := generate(bad); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want a usage error", bad, err)
		}
	}
}

// Every letter comes up about as often: 62 does not divide 256.
func TestDrawIsFair(t *testing.T) {
	letters, err := alphabet("alnum")
	if err != nil {
		t.Fatal(err)
	}
	const each = 4000
	seen := map[byte]int{}
	for _, b := range draw(each*len(letters), letters) {
		seen[b]++
	}
	for i := range len(letters) { // 6 standard deviations; the bias of a plain modulo is 25 %
		if n := seen[letters[i]]; n < each-380 || n > each+380 {
			t.Errorf("%c came up %d times, want about %d", letters[i], n, each)
		}
	}
}

func TestWants(t *testing.T) {
	project := &config.Project{Trusted: true, Secrets: []config.Entry{{Name: "A"}, {Name: "prod/B", As: "C"}}}
	for _, c := range []struct {
		flag    string
		project *config.Project
		want    string
	}{
		{"", nil, "all"},
		{"", &config.Project{Trusted: true}, "all"},
		{"", &config.Project{Trusted: true, Secrets: []config.Entry{}}, ""},
		{"", project, "app/dev/A>A app/prod/B>C"},
		{"X", project, "app/dev/X>X"},
		{"X, Y=Z,W=o/p/V", nil, "app/dev/X>X app/dev/Z>Y o/p/V>W"},
		{"X,,Y", nil, "!"},
		{"X,X", nil, "!two secrets for the variable X"},
		{"A=X,A=Y", nil, "!two secrets for the variable A"},
		{"1=X", nil, "!name \"1\""},
		{"A=b c", nil, "!parse"},
		{"", &config.Project{Trusted: true, Secrets: []config.Entry{{Name: "A", Deliver: "file"}}}, "app/dev/A>A"},
		{"", &config.Project{Secrets: []config.Entry{{Name: "A"}}}, "all"}, // load refuses an untrusted list before
	} {
		cfg := &config.Config{App: config.Setting{Value: "app"}, Env: config.Setting{Value: "dev"}, Project: c.project}
		wants, err := (&runFlags{secrets: c.flag}).wants(cfg)
		got := describeWants(wants)
		switch part, bad := strings.CutPrefix(c.want, "!"); {
		case bad && (err == nil || !strings.Contains(err.Error(), part)):
			t.Errorf("%q: %v, want an error with %q", c.flag, err, part)
		case !bad && (err != nil || got != c.want):
			t.Errorf("%q: %q, %v, want %q", c.flag, got, err, c.want)
		}
	}
}

func describeWants(wants []broker.Want) string {
	if wants == nil {
		return "all"
	}
	var s []string
	for _, w := range wants {
		s = append(s, w.Ref.String()+">"+w.As)
	}
	return strings.Join(s, " ")
}

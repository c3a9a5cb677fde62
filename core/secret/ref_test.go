package secret

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	here := Ref{App: "shop", Env: "development"}
	for in, want := range map[string]string{
		"TOKEN":                          "shop/development/TOKEN",
		"production/TOKEN":               "shop/production/TOKEN",
		"web/staging/_t0ken":             "web/staging/_t0ken",
		"a/b-c/X":                        "a/b-c/X",
		"":                               "",
		"/TOKEN":                         "",
		"a/b/c/D":                        "",
		"Web/staging/T":                  "",
		"web/-staging/T":                 "",
		"web/staging-/T":                 "",
		"web/staging/1T":                 "",
		"web/staging/T-X":                "",
		"web/staging/T\x00":              "",
		"web/../T":                       "",
		strings.Repeat("A", 128):         "shop/development/" + strings.Repeat("A", 128),
		strings.Repeat("A", 129):         "",
		strings.Repeat("a", 63) + "/e/N": strings.Repeat("a", 63) + "/e/N",
		strings.Repeat("a", 64) + "/e/N": "",
	} {
		got, err := ParseRef(in, here)
		switch {
		case want == "" && !errors.Is(err, ErrRef):
			t.Errorf("ParseRef(%q) = %v, %v, want ErrRef", in, got, err)
		case want != "" && (err != nil || got.String() != want):
			t.Errorf("ParseRef(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

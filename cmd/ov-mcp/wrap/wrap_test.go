package wrap

import (
	"slices"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

func TestSplit(t *testing.T) {
	here := secret.Ref{App: "a", Env: "e"}
	wants, rest, err := Split([]string{"A=ov://NAME", "B=ov://x/NAME", "C=ov://y/x/NAME", "D=plain", "E=xov://NAME", "F="}, here)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range wants {
		got = append(got, w.As+" "+w.Ref.String())
	}
	if want := []string{"A a/e/NAME", "B a/x/NAME", "C y/x/NAME"}; !slices.Equal(got, want) {
		t.Errorf("wants %v, want %v", got, want)
	}
	if want := []string{"D=plain", "E=xov://NAME", "F="}; !slices.Equal(rest, want) {
		t.Errorf("rest %v, want %v", rest, want)
	}
	for _, bad := range []string{"A=ov://", "A=ov://a/b/c/d", "A-B=ov://NAME"} {
		if _, _, err := Split([]string{bad}, here); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestNamed(t *testing.T) {
	here := secret.Ref{App: "a", Env: "e"}
	wants, err := Named(nil, "ONE, V=x/TWO", here)
	if err != nil || len(wants) != 2 || wants[0].As != "ONE" || wants[1].As != "V" || wants[1].Ref.String() != "a/x/TWO" {
		t.Errorf("%v, %v", wants, err)
	}
	for _, bad := range []string{"ONE,ONE", "1=ONE", "a b", ","} {
		if w, err := Named(nil, bad, here); err == nil {
			t.Errorf("%q gave %v", bad, w)
		}
	}
}

package encode

import (
	"bytes"
	"strings"
	"testing"
)

// TestSqueeze: the view keeps digits and letters, the latter small.
func TestSqueeze(t *testing.T) {
	var kept []byte
	for c := range 256 {
		if k := Squeeze(byte(c)); k != 0 {
			kept = append(kept, k)
		}
		if Separator(byte(c)) != (Squeeze(byte(c)) == 0) {
			t.Errorf("%q is a separator and kept, or neither", byte(c))
		}
	}
	if want := "0123456789abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"; string(kept) != want {
		t.Errorf("the view keeps %q, want %q", kept, want)
	}
}

// TestOneForm: spellings that differ in what the view drops are one form.
func TestOneForm(t *testing.T) {
	const value = "lcmnE2UR8BfRw7Om"
	forms := map[string]bool{}
	for _, f := range Squeezed([]byte(value)) {
		forms[string(f.Bytes)] = true
	}
	for _, spelling := range []string{
		"LCMNE2UR8BFRW7OM", "l c m n E 2 U R 8 B f R w 7 O m", "6C:63:6D:6E:45:32:55:52:38:42:66:52:77:37:4F:6D",
		`\x6c\x63\x6d\x6e\x45\x32\x55\x52\x38\x42\x66\x52\x77\x37\x4f\x6d`, "108, 99, 109, 110, 69, 50, 85, 82, 56, 66, 102, 82, 119, 55, 79, 109",
		"0154 0143 0155 0156 0105 062", "%6c%63%6d%6e%45%32%55%52%38%42%66%52%77%37%4f%6d", "bGNtbkUyVVI4QmZSdzdPbQ==",
	} {
		view := strings.Map(func(r rune) rune {
			if k := Squeeze(byte(r)); k != 0 {
				return rune(k)
			}
			return -1
		}, spelling)
		if known := forms[view]; known == strings.HasPrefix(spelling, "0154 ") { // that one is half of the value
			t.Errorf("%s: %v", spelling, known)
		}
	}
}

// TestWeakView: the view has no form of an easily guessed value that could stand
// in ordinary text by chance, and none of a date at all but in its encodings.
func TestWeakView(t *testing.T) {
	for _, v := range []string{"20260131", "password", "8080", "production", "12:30:15"} {
		for _, f := range Squeezed([]byte(v)) {
			if len(f.Bytes) < minWeak || bytes.Contains(f.Bytes, []byte(strings.ReplaceAll(v, ":", ""))) {
				t.Errorf("%s: form %q (%s)", v, f.Bytes, f.Kind)
			}
		}
	}
	if len(Squeezed([]byte("simple window yellow market"))) < 20 {
		t.Error("a passphrase of four words is not looked for")
	}
}

package rules

import (
	"bytes"
	"testing"

	"github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// TestChecksums: a checksum labels what is found and lets nothing pass.
func TestChecksums(t *testing.T) {
	const file = `
[[rules]]
id = "hub"
prefix = "hub_"
charset = "a-zA-Z0-9"
min = 36
checksum = "crc32-base62"
[[rules]]
id = "flare"
prefix = "flare_"
charset = "a-z0-9"
min = 16
checksum = "crc32-hex"
[[rules]]
id = "card"
regex = '''card=([0-9 ]{12,19})'''
checksum = "luhn"
[[rules]]
id = "plain"
prefix = "plain_"
min = 8
`
	set := compile(t, file, scan.Strict)
	for _, c := range []struct{ text, id, label string }{
		// An example of GitHub's own, "Behind GitHub's new authentication token formats".
		{"hub_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17", "hub", checkOK},
		{"hub_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18", "hub", checkFailed},
		{"hub_zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ1mLq17", "hub", checkFailed},
		{"flare_0123456789c80c8a9b", "flare", checkFailed},
		{"card=4242 4242 4242 4242", "card", checkOK},
		{"card=4242 4242 4242 4241", "card", checkFailed},
		{"plain_12345678", "plain", ""},
	} {
		var out bytes.Buffer
		var got []string
		f := rule.NewFilter(&out, set, func(d rule.Finding) { got = append(got, set.Rule(d.Rule).ID, d.Label) })
		if _, err := f.Write([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if len(got) != 2 || got[0] != c.id || got[1] != c.label || bytes.Contains(out.Bytes(), []byte("4242")) {
			t.Errorf("%s: %q, labelled %q", c.text, out.String(), got)
		}
	}
}

func TestChecks(t *testing.T) {
	for _, c := range []struct {
		name  string
		check func([]byte) bool
		in    string
		want  bool
	}{
		{"crc32-hex", crc32hex, "123456789cbf43926", true}, // the check value of CRC-32: cbf43926
		{"crc32-hex", crc32hex, "123456789CBF43926", true},
		{"crc32-hex", crc32hex, "123456788cbf43926", false},
		{"crc32-hex", crc32hex, "123456789cbf4392x", false},
		{"crc32-hex", crc32hex, "cbf43926", false},
		{"crc32-base62", crc32base62, "x_1234567893jIusC", false},
		{"crc32-base62", crc32base62, "x_12345", false},
		{"luhn", luhn, "79927398713", true}, // the usual example
		{"luhn", luhn, "79927398710", false},
		{"luhn", luhn, "7992-7398-713", true},
		{"luhn", luhn, "0", false},
		{"luhn", luhn, "", false},
	} {
		if got := c.check([]byte(c.in)); got != c.want {
			t.Errorf("%s of %q: %v", c.name, c.in, got)
		}
	}
}

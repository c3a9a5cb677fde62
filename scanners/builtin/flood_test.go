package builtin

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	engine "github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// floods are inputs made to cost: nothing but what makes a rule look.
var floods = map[string]string{
	"data":     "\ndata:",
	"begin":    "-----BEGIN ",
	"key":      "-----BEGIN PRIVATE KEY-----\n",
	"jwt":      " eyJ",
	"jwtrun":   "-eyJ",
	"password": "password:",
	"token":    "token token ",
	"url":      "://a:",
	"otpauth":  "otpauth://",
	"ghp":      " ghp_",
	"pem64":    " LS0tLS1CRUdJTi",
	"cookie":   "cookie:",
	"curl":     "curl -u ",
	"json":     `"data": {`,
	"at":       "://a@",
	"quotes":   `password="`,
	"nested":   "-sk-ant-api03-Th9yuWSB4UFlpy6ve61dDyOvnFJvYaNFBzXiJ70a",
	"jwts":     "_eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0",
	"keys":     "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n",
	"mixed":    "password=token=cookie:secret://a:_key=eyJ",
	"pem64s":   "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSUV2UUlCQURBTkJna3Foa2lHOXcwQkFRRUZBQVND",
	"manifest": "\nkind: Secret\ndata:\n  a: dmFsdWV2YWx1ZQ==",
	"basic":    "authorization: basic ",
	"query":    "?token=&token=",
	"jwt64":    "_ZXlKaGJHY2lPaUpJVXpJMU5pSjkuZXlKemRXSWlPaUl4TWpNME5UWTNPRGt3SW4w",
}

// BenchmarkFlood is the floor: every rule on, 64 KiB writes and bytes one by one.
func BenchmarkFlood(b *testing.B) {
	for name, unit := range floods {
		in := bytes.Repeat([]byte(unit), 1<<20/len(unit))
		for level, title := range levelNames {
			b.Run(name+"/"+title, func(b *testing.B) { run(b, level, in) })
		}
	}
}

// TestFloods: what is masked in a flood does not depend on how it is cut, none of
// a secret in it is left, and output goes on as usual after it.
func TestFloods(t *testing.T) {
	const token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	for level, title := range levelNames {
		set := compile(t, level)
		for name, unit := range floods {
			in := slices.Concat([]byte("start\n"), bytes.Repeat([]byte(unit), 40_000/len(unit)), []byte("\n\n "+token+" "),
				bytes.Repeat([]byte("nothing of note\n"), 600), []byte(token+"\nthe end\n"))
			want, _ := mask(t, set, in)
			if strings.Contains(want, token[:12]) {
				t.Errorf("%s, %s: a token in or after the flood is left", title, name)
			}
			if !strings.HasPrefix(want, "start\n") || !strings.HasSuffix(want, "nothing of note\n[REDACTED:github-pat]\nthe end\n") {
				t.Errorf("%s, %s: what surrounds the flood is touched: %q ... %q", title, name, want[:20], want[len(want)-100:])
			}
			for _, size := range []int{1, 37, 4096} {
				if size == 1 && testing.Short() {
					continue
				}
				if got, _ := mask(t, set, slices.Collect(slices.Chunk(in, size))...); got != want {
					at := 0
					for at < min(len(got), len(want)) && got[at] == want[at] {
						at++
					}
					t.Errorf("%s, %s in pieces of %d differs at %d:\n got %q\nwant %q", title, name, size, at, clip(got, at), clip(want, at))
				}
			}
		}
	}
}

// TestFloodHidesTokens: a token of the flooding rule's own, however long, is not
// let through because its rule is overdrawn.
func TestFloodHidesTokens(t *testing.T) {
	set := compile(t, scan.Precise)
	tail := strings.Repeat("k7Qm2BvZxT9nLw4Rj8sF", 150)
	for unit, token := range map[string]string{
		" eyJ":                          "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + tail,
		" sk-ant-":                      "sk-ant-" + tail,
		"-----BEGIN PRIVATE KEY-----\n": "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7k7Qm2BvZxT9n\n", 30) + "-----END PRIVATE KEY-----",
		"curl -u a:b@c authorization: ": "authorization: Bearer " + tail,
	} {
		in := []byte(strings.Repeat(unit, 20_000/len(unit)) + " " + token + "\nand so on\n")
		out, _ := mask(t, set, in)
		for i := 0; i+12 <= len(token); i++ {
			if part := token[i : i+12]; !strings.Contains(unit, part) && strings.Contains(out, part) && !strings.Contains("authorization: Bearer ", part) {
				t.Errorf("flood of %q: %q of a token is left at %d", unit, part, i)
				break
			}
		}
		if !strings.HasSuffix(out, "and so on\n") {
			t.Errorf("flood of %q: what follows is masked: %q", unit, out[max(0, len(out)-60):])
		}
	}
}

// TestNoFlood: no innocent output is taken for a flood.
func TestNoFlood(t *testing.T) {
	set := compile(t, scan.Strict)
	for name, b := range innocents(t) {
		f := engine.NewFilter(io.Discard, set, func(d engine.Finding) {
			if d.Label == engine.Flooded {
				t.Errorf("%s: %s at %d to %d", name, set.Rule(d.Rule).ID, d.Start, d.End)
			}
		})
		if _, err := f.Write(b); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

package leaktest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/secret"
)

// TestRowsOfSigns: a row of od -c of a generated password is masked, however
// many signs are in it: the view leaves them out, and 16 characters may be eight
// letters there. Rows with fewer than that stay, which is one in twenty.
func TestRowsOfSigns(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&()*+,-./:;<=>?@[]^_{|}~"
	r := rand.New(rand.NewPCG(5, 9))
	rows, left := 0, 0
	for range 60 {
		value := make([]byte, 48)
		for i := range value {
			value[i] = alphabet[r.IntN(len(alphabet))]
		}
		set, err := redact.Compile([]redact.Needle{{Name: "T", Value: secret.New(bytes.Clone(value))}}, redact.Options{Lanes: redact.All})
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(value); at += 16 {
			line := fmt.Sprintf("%07o", at)
			for _, c := range value[at : at+16] {
				line += "   " + string(c)
			}
			var out bytes.Buffer
			w := redact.NewWriter(&out, set, nil)
			if _, err := w.Write([]byte(line + "\n0000777\n")); err != nil {
				t.Fatal(err)
			}
			w.Close()
			rows++
			if !strings.Contains(out.String(), "[REDACTED:T]") {
				left++
			}
		}
	}
	t.Logf("%d of %d rows are masked", rows-left, rows)
	if left*10 > rows {
		t.Errorf("%d of %d rows are not masked", left, rows)
	}
}

package redact

import (
	"bytes"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

func TestThin(t *testing.T) {
	s, err := Compile([]Needle{{"A", secret.New([]byte("s3cret-s3cret-key"))}, {"B", secret.New([]byte("abcdefgh"))}, {"C", secret.New([]byte("efghijkl"))}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	in := "x s3cret-s3cret-s3cret-key abcdefghijkl s3cret-s3"
	want := "x s3cret-[REDACTED:A] [REDACTED:B] s3cret-s3"
	for cut := range in {
		var b bytes.Buffer
		w := NewWriter(&b, s, nil)
		w.Write([]byte(in[:cut]))
		w.Write([]byte(in[cut:]))
		w.Close()
		if b.String() != want {
			t.Errorf("cut %d: %q", cut, b.String())
		}
	}
}

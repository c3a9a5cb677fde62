package builtin

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	engine "github.com/opaquevault/ov/core/rule"
	"github.com/opaquevault/ov/core/scan"
)

// TestManifests are Secrets as kubectl and people write them; VAL stands for a
// value, which must be masked, at every cut.
func TestManifests(t *testing.T) {
	const value = "dDBybi1CZWV0bGVfOQ=="
	const marker = "[REDACTED:kubernetes-secret]"
	set := compile(t, scan.Precise)
	for _, text := range []string{
		"apiVersion: v1\ndata:\n  a: VAL\n  b: \"VAL\"\nkind: Secret\n",
		"kind: Secret\ndata:\n  a: VAL\n\n  # a comment: here\n  b: VAL\nother: x\n",
		"kind: 'Secret'\ntype: \"Opaque\"\ndata:\n\ta: 'VAL'\n",
		"data:\n  .cfg: |\n    VAL\n    VAL\n  b: VAL\nkind: \"Secret\"\n",
		"\ndata:\n  a: VAL\nmetadata:\n  name: x\n  labels:\n    kind: none\ntype: Opaque\nkind: Secret\n",
		"apiVersion: v1\nitems:\n- apiVersion: v1\n  data:\n    a: VAL\n    b: VAL\n  kind: Secret\n  metadata:\n    name: x\n",
		"stringData:\r\n  a: VAL\r\nkind: Secret\r\n",
		"kind: Secret\ndata:\n  a: VAL\n  no entry\n",
	} {
		in := []byte("\n" + strings.ReplaceAll(text, "VAL", value))
		want := "\n" + strings.ReplaceAll(text, "VAL", marker)
		parts := [][][]byte{{in}, slices.Collect(slices.Chunk(in, 1))}
		for i := range in {
			parts = append(parts, [][]byte{in[:i], in[i:]})
		}
		for i, p := range parts {
			if got, _ := mask(t, set, p...); got != want {
				t.Fatalf("cut %d of %q\n got %q\nwant %q", i, in, got, want)
			}
		}
	}
	for _, text := range []string{
		"\ndata:\n  a: " + value + "\nkind: ConfigMap\n",
		"\ndata:\n  a: " + value + "\nkind: SecretStore\n",
		"\ndata:\n  a: " + value + "\n---\nkind: Secret\n",
		"\ndata: {\"a\": \"" + value + "\"}\n\ndata: {\"kind\": 1}\n\n",
		"\n  data:\n    a: " + value + "\n  kind: Thing\n",
		"\ndata:\n  a: " + value + "\n  }, nil)\nkind: Secret\n",
	} {
		if got, found := mask(t, set, []byte(text)); got != text {
			t.Errorf("%q becomes %q: %q", text, got, found)
		}
	}
}

// TestManifestHold: what cannot be an object any more is not held, or a prompt
// would wait for ever.
func TestManifestHold(t *testing.T) {
	set := compile(t, scan.Precise)
	for in, held := range map[string]int{
		"\ndata:\n  a: b\nContinue? ":              0,
		"\ndata: {\"event\": 1}\n\n":               0,
		"\ndata:\n  a: longvalue\n":                len("longvalue\n"),
		"\ndata:\n  a: longvalue\nme":              len("longvalue\nme"),
		"\ndata:\n  a: longvalue\nmetadata:\n  x:": len("longvalue\nmetadata:\n  x:"),
		"\ndata:\n  a: longvalue\nkind: S":         len("longvalue\nkind: S"),
		"\ndata:\n  a: longvalue\nkind: C\n":       0,
	} {
		f := engine.NewFilter(&bytes.Buffer{}, set, nil)
		if _, err := f.Write([]byte(in)); err != nil {
			t.Fatal(err)
		}
		if f.Held() != held {
			t.Errorf("%q: %d bytes are held, want %d", in, f.Held(), held)
		}
	}
}

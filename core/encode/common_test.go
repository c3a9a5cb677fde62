package encode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"testing"
)

// TestCommon: what a program prints of a value in the encodings of every day
// holds one of the forms, and each form is one of the exact or the encoded lane.
func TestCommon(t *testing.T) {
	for _, value := range []string{"ghp_x7Kq2Vw9ZbT4mNc8RfJ3LsYd6HgPa1Ue5Qo", `p"w d/é&+7<x>y1?`, "postgres://app:Tr0ub4dor&3xyz@db/prod", "line one of it\nline two of it\n"} {
		text := bytes.TrimSpace([]byte(value))
		quoted, err := json.Marshal(string(text))
		if err != nil {
			t.Fatal(err)
		}
		forms := New([]byte(value)).Common()
		for _, printed := range []string{
			string(text), hex.EncodeToString(text), url.QueryEscape(string(text)), string(quoted),
			base64.StdEncoding.EncodeToString(text), base64.URLEncoding.EncodeToString(text),
			base64.StdEncoding.EncodeToString(append([]byte("user:"), text...)), base64.RawURLEncoding.EncodeToString(append([]byte("u"), text...)),
		} {
			if !slices.ContainsFunc(forms, func(f Form) bool { return bytes.Contains([]byte(printed), f.Bytes) }) {
				t.Errorf("%q: no form is in %q", value, printed)
			}
		}
		all := append(New([]byte(value)).Exact(), New([]byte(value)).Encoded()...)
		for _, f := range forms {
			if !slices.ContainsFunc(all, func(o Form) bool { return bytes.Equal(f.Bytes, o.Bytes) }) {
				t.Errorf("%q: %s %q is of no lane", value, f.Kind, f.Bytes)
			}
		}
	}
}

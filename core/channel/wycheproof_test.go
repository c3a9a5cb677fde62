package channel

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/cloudflare/circl/dh/x25519"
	"github.com/cloudflare/circl/kem/mlkem/mlkem768"
)

// hexBytes is a hex string of the vector files.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	var err error
	*h, err = hex.DecodeString(s)
	return err
}

// A vector has the members of all the kinds that we read.
type vector struct {
	ID                      int `json:"tcId"`
	Seed, Ek, Dk, C, K, M   hexBytes
	Public, Private, Shared hexBytes
	Result                  string
}

// eachVector runs check on every test of a file and holds what it says against
// the expected result; "acceptable" may be either.
func eachVector(t *testing.T, file string, least int, check func(vector) bool) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ TestGroups []struct{ Tests []vector } }
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.TestGroups {
		for _, c := range g.Tests {
			n++
			if got := check(c); got != (c.Result == "valid") && c.Result != "acceptable" {
				t.Errorf("%s %d: accepted is %v, want %s", file, c.ID, got, c.Result)
			}
		}
	}
	if n < least {
		t.Errorf("%s: %d tests only", file, n)
	}
}

// 12: the published vectors on the parts that circl's X-Wing is made of. The
// standard library's Ed25519, HKDF and AES-GCM are held against theirs in core/seal.
func TestAttack12Wycheproof(t *testing.T) {
	scheme := mlkem768.Scheme()
	decapsulate := func(c vector) bool {
		if len(c.Seed) != scheme.SeedSize() {
			return false
		}
		pub, priv := scheme.DeriveKeyPair(c.Seed)
		ek, err := pub.MarshalBinary()
		if err != nil || len(c.Ek) > 0 && !bytes.Equal(ek, c.Ek) {
			return false
		}
		k, err := scheme.Decapsulate(priv, c.C)
		return err == nil && bytes.Equal(k, c.K)
	}
	eachVector(t, "mlkem_768_test.json", 100, decapsulate)
	eachVector(t, "mlkem_768_keygen_seed_test.json", 50, func(c vector) bool {
		pub, priv := scheme.DeriveKeyPair(c.Seed)
		ek, err := pub.MarshalBinary()
		dk, err2 := priv.MarshalBinary()
		return err == nil && err2 == nil && bytes.Equal(ek, c.Ek) && bytes.Equal(dk, c.Dk)
	})
	eachVector(t, "mlkem_768_encaps_test.json", 100, func(c vector) bool {
		pub, err := scheme.UnmarshalBinaryPublicKey(c.Ek)
		if err != nil {
			return false
		}
		ct, k, err := scheme.EncapsulateDeterministically(pub, c.M)
		return err == nil && bytes.Equal(ct, c.C) && bytes.Equal(k, c.K)
	})
	eachVector(t, "x25519_test.json", 500, func(c vector) bool {
		var shared, private, public x25519.Key
		copy(private[:], c.Private)
		copy(public[:], c.Public)
		x25519.Shared(&shared, &private, &public) // X-Wing does not look at the low order points that it reports
		return bytes.Equal(shared[:], c.Shared)
	})
}

package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"golang.org/x/crypto/argon2"
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

// A wycheproofTest has the members of all four kinds that we read.
type wycheproofTest struct {
	ID                         int `json:"tcId"`
	Key, IV, AAD, Msg, CT, Tag hexBytes
	IKM, Salt, Info, OKM, Sig  hexBytes
	Size                       int
	Result                     string
	group                      wycheproofGroup
}

type wycheproofGroup struct {
	KeySize, IVSize, TagSize int
	PublicKey                struct{ PK hexBytes } `json:"publicKey"`
	Tests                    []wycheproofTest
}

// eachWycheproof runs check on every test of a file and holds what it says
// against the expected result. skip leaves out what we never call.
func eachWycheproof(t *testing.T, file string, skip func(wycheproofGroup) bool, check func(wycheproofTest) bool) {
	t.Helper()
	b, err := fs.ReadFile(wycheproof.TestVectors, file)
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ TestGroups []wycheproofGroup }
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range v.TestGroups {
		if skip(g) {
			continue
		}
		for _, c := range g.Tests {
			n++
			c.group = g
			if got := check(c); got != (c.Result == "valid") && c.Result != "acceptable" {
				t.Errorf("%s %d: accepted is %v, want %s", file, c.ID, got, c.Result)
			}
		}
	}
	if n < 50 {
		t.Errorf("%s: %d tests only", file, n)
	}
}

// 12: the published vectors of every primitive that this package calls, on the
// standard library's code as it is built here.
func TestAttack12Wycheproof(t *testing.T) {
	none := func(wycheproofGroup) bool { return false }
	eachWycheproof(t, "aes_gcm_test.json", func(g wycheproofGroup) bool { return g.KeySize != 256 || g.IVSize != 96 || g.TagSize != 128 }, func(c wycheproofTest) bool {
		block, err := aes.NewCipher(c.Key)
		if err != nil {
			return false
		}
		fixed, err := cipher.NewGCM(block)
		if err != nil {
			return false
		}
		random, err := cipher.NewGCMWithRandomNonce(block) // the one that we call
		if err != nil {
			return false
		}
		sealed := append(bytes.Clone(c.CT), c.Tag...)
		a, err1 := fixed.Open(nil, c.IV, sealed, c.AAD)
		b, err2 := random.Open(nil, nil, append(bytes.Clone(c.IV), sealed...), c.AAD)
		if (err1 == nil) != (err2 == nil) || !bytes.Equal(a, b) {
			t.Errorf("aes-gcm %d: the two forms differ", c.ID)
		}
		return err1 == nil && bytes.Equal(a, c.Msg) && bytes.Equal(fixed.Seal(nil, c.IV, c.Msg, c.AAD), sealed)
	})
	eachWycheproof(t, "hkdf_sha256_test.json", none, func(c wycheproofTest) bool {
		out, err := hkdf.Key(sha256.New, c.IKM, c.Salt, string(c.Info), c.Size)
		if err != nil {
			return false
		}
		prk, err := hkdf.Extract(sha256.New, c.IKM, c.Salt)
		if err != nil {
			return false
		}
		return bytes.Equal(out, c.OKM) && bytes.Equal(expand(prk, c.Info, c.Size), c.OKM) && bytes.Equal(refExpand(prk, c.Info, c.Size), c.OKM)
	})
	eachWycheproof(t, "hmac_sha256_test.json", func(g wycheproofGroup) bool { return g.TagSize != 256 }, func(c wycheproofTest) bool {
		h := hmac.New(sha256.New, c.Key)
		h.Write(c.Msg)
		return hmac.Equal(h.Sum(nil), c.Tag)
	})
	eachWycheproof(t, "ed25519_test.json", none, func(c wycheproofTest) bool {
		return len(c.group.PublicKey.PK) == ed25519.PublicKeySize && ed25519.Verify(ed25519.PublicKey(c.group.PublicKey.PK), c.Msg, c.Sig)
	})
}

// The reference implementation's own vector of Argon2id (t=2, m=64 MiB, p=1).
func TestArgon2Vector(t *testing.T) {
	got := hex.EncodeToString(argon2.IDKey([]byte("password"), []byte("somesalt"), 2, 65536, 1, 32))
	if want := "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"; got != want {
		t.Errorf("got %s", got)
	}
}

// 6, second half: what Derive gives is what FORMAT.md says, by another hand.
func TestDeriveAgainstReference(t *testing.T) {
	sk, vault := NewKey(16), VaultID(NewKey(16))
	for _, suite := range []Suite{Suite1, Suite2} {
		m, err := Derive(text("p\u00e4ssword \u2167"), sk, vault, suite)
		if err != nil {
			t.Fatal(err)
		}
		kek, auth, commit := refMaster("p\u00e4ssword \u2167", sk, vault[:], byte(suite))
		if !bytes.Equal(m.kek, kek) || !bytes.Equal(m.auth, auth) || !bytes.Equal(m.commit, commit) {
			t.Errorf("suite %d: keys differ", suite)
		}
	}
}

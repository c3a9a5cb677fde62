package channel

import (
	"bytes"
	"crypto/hpke"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"testing"
)

// oracle is the standard library's key of the same private key.
func oracle(t *testing.T, k *PrivateKey) hpke.PrivateKey {
	t.Helper()
	std, err := hpke.MLKEM768X25519().NewPrivateKey(k.Seed())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(std.PublicKey().Bytes(), k.Public()) {
		t.Fatal("the same private key has two public ones")
	}
	return std
}

// 13: 1,000 messages, sealed by circl and opened by the standard library and the
// other way, with the answers' secrets.
func TestAttack13HPKE(t *testing.T) {
	n := 1000
	if testing.Short() {
		n = 100
	}
	kem, kdf, aead := hpke.MLKEM768X25519(), hpke.HKDFSHA256(), hpke.AES256GCM()
	if want := []byte{1, byte(kem.ID() >> 8), byte(kem.ID()), 0, byte(kdf.ID()), 0, byte(aead.ID())}; !bytes.Equal(suiteID(), want) {
		t.Fatalf("suite %x, want %x", suiteID(), want)
	}
	key, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	std := oracle(t, key)
	pinned, err := ParseServerKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		message := make([]byte, mathrand.IntN(2000))
		rand.Read(message)
		// circl seals, the standard library opens.
		sealed, exchange, err := pinned.Seal(message)
		if err != nil {
			t.Fatal(err)
		}
		r, err := hpke.NewRecipient(sealed[suiteSize:suiteSize+encSize], std, kdf, aead, info())
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		padded, err := r.Open(nil, sealed[suiteSize+encSize:])
		secret, err2 := r.Export("ov/v1/answer", nonceSize)
		if err != nil || err2 != nil || !bytes.Equal(secret, exchange.secret) {
			t.Fatalf("%d: %v, %v", i, err, err2)
		}
		if got, err := unpad(padded); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d: %v", i, err)
		}
		// The standard library seals, circl opens.
		enc, s, err := hpke.NewSender(std.PublicKey(), kdf, aead, info())
		if err != nil {
			t.Fatal(err)
		}
		ct, err := s.Seal(nil, pad(message))
		secret, err2 = s.Export("ov/v1/answer", nonceSize)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		got, theirs, err := key.Open(append(append(suiteID(), enc...), ct...))
		if err != nil || !bytes.Equal(got, message) || !bytes.Equal(theirs.secret, secret) {
			t.Fatalf("%d: %v", i, err)
		}
	}
	fmt.Printf("attack 13: %d messages each way between circl and crypto/hpke\n", n)
}

func pair(t testing.TB) (*PrivateKey, *ServerKey) {
	t.Helper()
	key, err := NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := ParseServerKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, pinned
}

// Whatever is changed, cut or added of a sealed request or answer, it does not
// open; nor does the answer to another request, or a request to another server.
func TestSealed(t *testing.T) {
	key, pinned := pair(t)
	sealed, mine, err := pinned.Seal([]byte("request"))
	if err != nil {
		t.Fatal(err)
	}
	plain, theirs, err := key.Open(sealed)
	if err != nil || string(plain) != "request" {
		t.Fatalf("%q, %v", plain, err)
	}
	answer, err := theirs.Seal([]byte("answer"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := mine.Open(answer); err != nil || string(got) != "answer" {
		t.Fatalf("%q, %v", got, err)
	}
	for i := 0; i < len(sealed); i += 13 {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, _, err := key.Open(bad); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d of the request changed: %v", i, err)
		}
		if _, _, err := key.Open(sealed[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("request cut at %d: %v", i, err)
		}
	}
	for i := range answer {
		bad := bytes.Clone(answer)
		bad[i] ^= 1
		if _, err := mine.Open(bad); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d of the answer changed: %v", i, err)
		}
		if _, err := mine.Open(answer[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("answer cut at %d: %v", i, err)
		}
	}
	_, another, err := pinned.Seal([]byte("request"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := another.Open(answer); !errors.Is(err, ErrSealed) {
		t.Errorf("the answer to another request: %v", err)
	}
	stranger, _ := pair(t)
	if _, _, err := stranger.Open(sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("another server: %v", err)
	}
	again, err := theirs.Seal([]byte("answer"))
	if err != nil || bytes.Equal(again, answer) {
		t.Error("two answers are the same bytes")
	}
}

// The length of a body shows only as its bucket.
func TestPadding(t *testing.T) {
	for n, want := range map[int]int{0: 512, 508: 512, 509: 1024, 1020: 1024, 65532: 65536, 65533: 131072, 131068: 131072, 131069: 196608} {
		b := bytes.Repeat([]byte{7}, n)
		padded := pad(b)
		if len(padded) != want {
			t.Errorf("%d bytes become %d, want %d", n, len(padded), want)
		}
		if got, err := unpad(padded); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestKeys(t *testing.T) {
	key, _ := pair(t)
	again, err := ParsePrivateKey(key.Seed())
	if err != nil || !bytes.Equal(again.Public(), key.Public()) {
		t.Errorf("%v", err)
	}
	for _, n := range []int{0, 31, 33} {
		if _, err := ParsePrivateKey(make([]byte, n)); !errors.Is(err, ErrKey) {
			t.Errorf("a seed of %d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{nil, key.Public()[1:], append(key.Public(), 0), bytes.Repeat([]byte{0xff}, KeySize)} {
		if _, err := ParseServerKey(b); !errors.Is(err, ErrKey) {
			t.Errorf("a public key of %d bytes: %v", len(b), err)
		}
	}
}

func BenchmarkSealOpen(b *testing.B) {
	key, pinned := pair(b)
	message := make([]byte, 1000)
	for b.Loop() {
		sealed, mine, err := pinned.Seal(message)
		if err != nil {
			b.Fatal(err)
		}
		_, theirs, err := key.Open(sealed)
		if err != nil {
			b.Fatal(err)
		}
		answer, err := theirs.Seal(message)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := mine.Open(answer); err != nil {
			b.Fatal(err)
		}
	}
}

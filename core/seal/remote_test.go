package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/manifest"
	"github.com/opaquevault/ov/core/secret"
)

func newHolder(t *testing.T) *Holder {
	t.Helper()
	h, err := NewHolder(NewKey(HolderSeed))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// A wrap opens for its holder, in its place, and nowhere else.
func TestWrap(t *testing.T) {
	h, other := newHolder(t), newHolder(t)
	vault, env := VaultID{1}, EnvID{2}
	k := &EnvKey{Vault: vault, Env: env, Epoch: 3, Key: NewKey(KeySize)}
	p := h.Principal()
	data, err := SealWrap(&p, k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := h.OpenWrap(vault, env, 3, data)
	if err != nil || !bytes.Equal(got.Key, k.Key) || !bytes.Equal(got.Index, IndexKey(k.Key)) || got.Epoch != 3 {
		t.Fatalf("%+v, %v", got, err)
	}
	for what, open := range map[string]func() (*EnvKey, error){
		"another holder":      func() (*EnvKey, error) { return other.OpenWrap(vault, env, 3, data) },
		"another vault":       func() (*EnvKey, error) { return h.OpenWrap(VaultID{9}, env, 3, data) },
		"another environment": func() (*EnvKey, error) { return h.OpenWrap(vault, EnvID{9}, 3, data) },
		"another epoch":       func() (*EnvKey, error) { return h.OpenWrap(vault, env, 4, data) },
		"nothing":             func() (*EnvKey, error) { return h.OpenWrap(vault, env, 3, nil) },
	} {
		if k, err := open(); !errors.Is(err, ErrOpen) || k != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Another epoch under the labels of this one: the label is not what counts.
	relabelled := bytes.Clone(data)
	relabelled[1+16+3] = 4
	if _, err := h.OpenWrap(vault, env, 4, relabelled); !errors.Is(err, ErrOpen) {
		t.Errorf("relabelled: %v", err)
	}
	for i := range data {
		d := bytes.Clone(data)
		d[i] ^= 1 << (i % 8)
		if _, err := h.OpenWrap(vault, env, 3, d); !errors.Is(err, ErrOpen) && !(i == 0 && errors.Is(err, ErrVersion)) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if i%16 == 0 {
			if _, err := h.OpenWrap(vault, env, 3, data[:i]); !errors.Is(err, ErrOpen) {
				t.Fatalf("cut at %d: %v", i, err)
			}
		}
	}
}

// The second implementation of a wrap, from FORMAT.md.
func TestWrapAgainstReference(t *testing.T) {
	seed := NewKey(32)
	h, err := NewHolder(seed)
	if err != nil {
		t.Fatal(err)
	}
	vault, env := VaultID{1}, EnvID{2}
	kem, err := hpke.NewKEM(0x647a)
	if err != nil {
		t.Fatal(err)
	}
	key, err := kem.NewPrivateKey(refSub(seed, "holder-seal"))
	if err != nil {
		t.Fatal(err)
	}
	sign := ed25519.NewKeyFromSeed(refSub(seed, "holder-sign"))
	p := h.Principal()
	if !bytes.Equal(p.Sign[:], sign.Public().(ed25519.PublicKey)) || !bytes.Equal(p.Seal[:], key.PublicKey().Bytes()) {
		t.Fatal("keys differ")
	}
	principal := sha256.Sum256(refLP([]byte("ov/v1/id/principal"), p.Sign[:], p.Seal[:]))
	id := sha256.Sum256(refLP([]byte("ov/v1/id/wrap"), vault[:], env[:], principal[:]))
	ek := NewKey(32)
	kdf, _ := hpke.NewKDF(1)
	aead, _ := hpke.NewAEAD(2)
	enc, s, err := hpke.NewSender(key.PublicKey(), kdf, aead, []byte("ov/v1/ek"))
	if err != nil {
		t.Fatal(err)
	}
	ct, err := s.Seal(refPlace{vault[:], env[:], 7, id[:], 7}.aad(1, "ek"), ek)
	if err != nil {
		t.Fatal(err)
	}
	theirs := bytes.Join([][]byte{{1}, env[:], be32(7), enc, ct}, nil)
	got, err := h.OpenWrap(vault, env, 7, theirs)
	if err != nil || !bytes.Equal(got.Key, ek) {
		t.Errorf("sealed by the reference: %v", err)
	}
	ours, err := SealWrap(&p, &EnvKey{Vault: vault, Env: env, Epoch: 7, Key: ek})
	if err != nil || len(ours) != len(theirs) {
		t.Fatalf("%d bytes, %v", len(ours), err)
	}
	r, err := hpke.NewRecipient(ours[21:21+1120], key, kdf, aead, []byte("ov/v1/ek"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := r.Open(refPlace{vault[:], env[:], 7, id[:], 7}.aad(1, "ek"), ours[21+1120:])
	if err != nil || !bytes.Equal(plain, ek) {
		t.Errorf("sealed by us: %v", err)
	}
}

func TestLocatorAndWords(t *testing.T) {
	sk := NewKey(SecretKeySize)
	want, err := hkdf.Key(sha256.New, sk, nil, string(refLP([]byte("ov/v1/locator"))), 32)
	if got := Locator(sk); err != nil || !bytes.Equal(got[:], want[:16]) {
		t.Error("locator")
	}
	for _, vault := range []VaultID{{1}, {2}} { // it does not depend on the vault
		if got, err := ReadLocator(FormatSecretKey(sk, vault)); err != nil || got != Locator(sk) {
			t.Errorf("read from the kit: %v", err)
		}
	}
	if _, err := ReadLocator(text("OV1-no")); !errors.Is(err, ErrKit) {
		t.Errorf("mistyped: %v", err)
	}
	// Words are the hash in consonants and vowels: a second way to spell them.
	for range 20 {
		key := NewKey(32)
		sum := sha256.Sum256(refLP([]byte("ov/v1/words"), key))
		var bits strings.Builder
		for _, b := range sum[:12] {
			fmt.Fprintf(&bits, "%08b", b)
		}
		var words []string
		for w := range 6 {
			var word strings.Builder
			at := 16 * w
			for i, n := range []int{4, 2, 4, 2, 4} {
				var v int
				fmt.Sscanf(bits.String()[at:at+n], "%b", &v)
				word.WriteByte([]string{"bdfghjklmnprstvz", "aiou"}[i%2][v])
				at += n
			}
			words = append(words, word.String())
		}
		if got := Words(key); got != strings.Join(words, "-") {
			t.Errorf("%s, want %v", got, words)
		}
	}
	if a, b := Words([]byte("a")), Words([]byte("b")); a == b || len(a) != 6*5+5 {
		t.Errorf("%s, %s", a, b)
	}
}

func newMachineKey() *MachineKey {
	return &MachineKey{
		Vault: VaultID{1}, Env: EnvID{2}, Seed: NewKey(32), NotAfter: 3, Seq: 4, Manifest: Hash{5},
		Devices: []Device{{ID: DeviceID{6}, Key: [32]byte{7}}, {ID: DeviceID{8}, Key: [32]byte{9}}},
		Name:    "ci", App: "shop", EnvName: "production", URL: "https://ov.example.com", ServerKey: bytes.Repeat([]byte{10}, 1216),
	}
}

func TestMachineKeyText(t *testing.T) {
	for what, k := range map[string]*MachineKey{"full": newMachineKey(), "local": {Seed: NewKey(32), ServerKey: nil}} {
		line := string(k.Text().Reveal())
		if strings.ContainsAny(line, " \n=+/") || !strings.HasPrefix(line, "ovmk1_") {
			t.Errorf("%s: %q", what, line)
		}
		for _, typed := range []string{line, line + "\n", "  \t" + line + " \r\n"} {
			got, err := ParseMachineKey(text(typed))
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if len(got.ServerKey) == 0 {
				got.ServerKey = nil
			}
			if !reflect.DeepEqual(got, k) {
				t.Errorf("%s: %+v, want %+v", what, got, k)
			}
		}
	}
	line := newMachineKey().Text().Reveal()
	for i := range line {
		for _, c := range []byte{'A', '_', ' '} {
			bad := bytes.Clone(line)
			if bad[i] == c {
				continue
			}
			bad[i] = c
			k, err := ParseMachineKey(secret.New(bad))
			if err == nil && (i == len(line)-1 || i == 0) { // the last letter has bits that are not used; a leading space is none
				continue
			}
			if !errors.Is(err, ErrMachineKey) || k != nil {
				t.Fatalf("letter %d: %v", i, err)
			}
		}
		if _, err := ParseMachineKey(secret.New(line[:i])); !errors.Is(err, ErrMachineKey) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	k := newMachineKey()
	if k.Wipe(); !bytes.Equal(k.Seed, make([]byte, 32)) {
		t.Error("not wiped")
	}
}

func newRequest(t *testing.T) (*Request, *RequestKey) {
	t.Helper()
	key, public, err := NewRequestKey()
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Vault: VaultID{1}, Device: DeviceID{2}, Sign: [32]byte{3}, Seal: public, Name: "laptop"}, key
}

// An approval opens for the request that it answers, and for no other.
func TestApproval(t *testing.T) {
	r, key := newRequest(t)
	a := &Approval{SecretKey: NewKey(16), VaultKey: NewKey(32), Seq: 9, Root: Hash{1}, Manifest: Hash{2}, Floor: 1}
	data, err := SealApproval(r, a)
	if err != nil {
		t.Fatal(err)
	}
	got, err := key.Open(r, data)
	if err != nil || !reflect.DeepEqual(got, a) {
		t.Fatalf("%+v, %v", got, err)
	}
	back, err := ParseRequest(r.Bytes())
	if err != nil || !reflect.DeepEqual(back, r) || back.Words() != r.Words() {
		t.Errorf("request: %+v, %v", back, err)
	}
	for what, edit := range map[string]func(*Request){
		"vault": func(r *Request) { r.Vault[0]++ }, "device": func(r *Request) { r.Device[0]++ },
		"signing key": func(r *Request) { r.Sign[0]++ }, "name": func(r *Request) { r.Name += "!" },
		"answer key": func(r *Request) { r.Seal = [manifest.XWingSize]byte(newHolder(t).Principal().Seal) },
	} {
		other := *r
		edit(&other)
		if other.Words() == r.Words() {
			t.Errorf("%s: the same words", what)
		}
		if _, err := key.Open(&other, data); !errors.Is(err, ErrOpen) {
			t.Errorf("%s changed: %v", what, err)
		}
	}
	_, other := newRequest(t)
	if _, err := other.Open(r, data); !errors.Is(err, ErrOpen) {
		t.Errorf("another key: %v", err)
	}
	for i := 0; i < len(data); i += 7 {
		d := bytes.Clone(data)
		d[i] ^= 1
		if _, err := key.Open(r, d); !errors.Is(err, ErrOpen) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if _, err := key.Open(r, data[:i]); !errors.Is(err, ErrOpen) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	wire := r.Bytes()
	for n := range wire {
		if _, err := ParseRequest(wire[:n]); !errors.Is(err, ErrOpen) {
			t.Fatalf("request cut at %d: %v", n, err)
		}
	}
	if a.Wipe(); !bytes.Equal(a.SecretKey, make([]byte, 16)) || !bytes.Equal(a.VaultKey, make([]byte, 32)) {
		t.Error("not wiped")
	}
}

package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

func text(s string) secret.Value { return secret.New([]byte(s)) }

// A sample is one record with all that opens it.
type sample struct {
	k     *EnvKey
	p     Place
	m     Meta
	value string
	data  []byte
}

func newSample(t testing.TB, value string) sample {
	t.Helper()
	k := &EnvKey{Epoch: 3, Key: NewKey(32)}
	copy(k.Vault[:], NewKey(16))
	copy(k.Env[:], NewKey(16))
	k.Index = IndexKey(k.Key)
	s := sample{k: k, value: value}
	s.m = Meta{Ref: secret.Ref{App: "shop", Env: "dev", Name: "TOKEN"}, Created: 5, Time: 6, Flags: FlagPlain, Size: uint32(len(value)), Tags: []string{"a", "b"}, From: "x/y/Z"}
	s.p = k.Place(k.RecordID("TOKEN"), 7)
	s.data = SealRecord(k, s.p, s.m, []byte(value))
	return s
}

// open opens data as the sample's record, whole.
func (s sample) open(data []byte) (Meta, string, error) {
	rec, err := ParseRecord(data)
	if err != nil {
		return Meta{}, "", err
	}
	if _, err := rec.Name(s.k, s.p); err != nil {
		return Meta{}, "", err
	}
	m, v, err := rec.Open(s.k, s.p, s.m.Ref)
	if err != nil {
		return Meta{}, "", err
	}
	return m, string(v.Reveal()), nil
}

func TestRecordRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 59, 60, 61, 1000, secret.MaxValue} {
		s := newSample(t, strings.Repeat("v", n))
		m, v, err := s.open(s.data)
		if err != nil || v != s.value || fmt.Sprint(m) != fmt.Sprint(s.m) {
			t.Errorf("%d bytes: %+v, %v", n, m, err)
		}
		rec, err := ParseRecord(s.data)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := rec.Meta(s.k, s.p, s.m.Ref); err != nil || m.Size != uint32(n) {
			t.Errorf("%d bytes: meta alone: %+v, %v", n, m, err)
		}
	}
}

// A store tells lengths apart by bucket only.
func TestRecordBuckets(t *testing.T) {
	short := newSample(t, "x")
	long := newSample(t, strings.Repeat("x", 60))
	next := newSample(t, strings.Repeat("x", 61))
	if len(short.data) != len(long.data) || len(next.data) != len(long.data)+64 {
		t.Errorf("lengths %d, %d, %d", len(short.data), len(long.data), len(next.data))
	}
}

func TestAttack01FlippedBits(t *testing.T) {
	s := newSample(t, "s3cret-value")
	accepted, tried := 0, 0
	try := func(data []byte) {
		tried++
		if _, _, err := s.open(data); err == nil {
			accepted++
		} else if !errors.Is(err, ErrOpen) && !(errors.Is(err, ErrVersion) && data[0] != format) {
			t.Fatalf("not the uniform error: %v", err)
		}
	}
	for i := range s.data {
		for bit := range 8 {
			d := bytes.Clone(s.data)
			d[i] ^= 1 << bit
			try(d)
		}
	}
	for n := range s.data {
		try(s.data[:n])
	}
	try(append(bytes.Clone(s.data), 0))
	if accepted != 0 || tried < 5000 {
		t.Errorf("%d mutations, %d accepted", tried, accepted)
	}
}

func TestAttack02Swapped(t *testing.T) {
	s, o := newSample(t, "one"), newSample(t, "two")
	o.k = &EnvKey{Vault: s.k.Vault, Env: s.k.Env, Epoch: s.k.Epoch, Key: s.k.Key, Index: s.k.Index}
	o.p = o.k.Place(o.k.RecordID("OTHER"), 7)
	o.m.Ref.Name = "OTHER"
	o.data = SealRecord(o.k, o.p, o.m, []byte(o.value))
	a, err := ParseRecord(s.data)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseRecord(o.data)
	if err != nil {
		t.Fatal(err)
	}
	other := s.p
	for what, c := range map[string]struct {
		rec   Record
		place Place
		ref   secret.Ref
	}{
		"meta of another":    {Record{a.Flags, a.Env, a.Epoch, a.Created, a.Time, a.name, a.dek, b.meta, a.value}, s.p, s.m.Ref},
		"value of another":   {Record{a.Flags, a.Env, a.Epoch, a.Created, a.Time, a.name, a.dek, a.meta, b.value}, s.p, s.m.Ref},
		"key of another":     {Record{a.Flags, a.Env, a.Epoch, a.Created, a.Time, a.name, b.dek, a.meta, a.value}, s.p, s.m.Ref},
		"meta for value":     {Record{a.Flags, a.Env, a.Epoch, a.Created, a.Time, a.name, a.dek, a.value, a.meta}, s.p, s.m.Ref},
		"another id":         {*a, o.p, s.m.Ref},
		"another id and ref": {*a, o.p, o.m.Ref},
		"whole other record": {*b, s.p, s.m.Ref},
		"another version":    {*a, Place{s.p.Vault, s.p.Env, s.p.Epoch, s.p.ID, 8}, s.m.Ref},
		"another epoch":      {*a, Place{s.p.Vault, s.p.Env, 4, s.p.ID, 7}, s.m.Ref},
		"another vault":      {*a, Place{VaultID{1}, s.p.Env, s.p.Epoch, s.p.ID, 7}, s.m.Ref},
		"another env":        {*a, Place{s.p.Vault, EnvID{1}, s.p.Epoch, s.p.ID, 7}, s.m.Ref},
		"production's ref":   {*a, other, secret.Ref{App: "shop", Env: "production", Name: "TOKEN"}},
		"no longer deleted":  {Record{a.Flags ^ FlagDeleted, a.Env, a.Epoch, a.Created, a.Time, a.name, a.dek, a.meta, a.value}, s.p, s.m.Ref},
		"another time":       {Record{a.Flags, a.Env, a.Epoch, a.Created, a.Time + 1, a.name, a.dek, a.meta, a.value}, s.p, s.m.Ref},
	} {
		if _, _, err := c.rec.Open(s.k, c.place, c.ref); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", what, err)
		}
	}
	swapped := *a
	swapped.name = b.name
	if _, err := swapped.Name(s.k, s.p); !errors.Is(err, ErrOpen) {
		t.Errorf("name of another: %v", err)
	}
	// A name that its own key seals, under the id of another.
	forged := *a
	forged.name = SealBox(s.k.Key, s.p, FieldName, pad([]byte("OTHER"), padName))
	if _, err := forged.Name(s.k, s.p); !errors.Is(err, ErrOpen) {
		t.Errorf("name that does not give the id: %v", err)
	}
}

// AES-GCM lets one ciphertext open under two keys of the attacker's choice.
// The ciphertext below does; a box binds it to one.
func TestAttack09TwoKeys(t *testing.T) {
	k1, k2 := NewKey(32), NewKey(32)
	aad := []byte("same for both")
	ct := twoKeys(t, k1, k2, aad)
	for _, k := range [][]byte{k1, k2} {
		if _, err := gcm(k).Open(nil, nil, ct, aad); err != nil {
			t.Fatalf("the ciphertext is not what the test needs: %v", err)
		}
	}
	// As a box: whatever commitment is claimed, at most one master key opens it.
	p := Place{Version: 1}
	m1, m2 := NewKey(32), NewKey(32)
	salt := NewKey(SaltSize)
	bk1, c1 := boxKeys(m1, p.aad(cipherSuite, FieldDEK), salt)
	bk2, c2 := boxKeys(m2, p.aad(cipherSuite, FieldDEK), salt)
	ct = twoKeys(t, bk1, bk2, p.aad(cipherSuite, FieldDEK))
	for name, claim := range map[string][]byte{"first": c1, "second": c2} {
		box := append(append(bytes.Clone(salt), claim...), ct...)
		_, err1 := OpenBox(m1, p, FieldDEK, box)
		_, err2 := OpenBox(m2, p, FieldDEK, box)
		if (err1 == nil) == (err2 == nil) {
			t.Errorf("claiming the %s: %v, %v", name, err1, err2)
		}
	}
}

func TestSlot(t *testing.T) {
	vault, id, sk, vk := VaultID{1}, ID{2}, NewKey(16), NewKey(32)
	m, err := Derive(text("password"), sk, vault, Suite1)
	if err != nil {
		t.Fatal(err)
	}
	data := SealSlot(m, vault, Suite1, id, 4, vk)
	open := func(data []byte, m *Master, vault VaultID, id ID, version uint64) error {
		s, err := ParseSlot(data)
		if err != nil {
			return err
		}
		got, err := s.Open(m, vault, id, version)
		if err == nil && !bytes.Equal(got, vk) {
			t.Error("another vault key")
		}
		return err
	}
	if err := open(data, m, vault, id, 4); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		d := bytes.Clone(data)
		d[i] ^= 1
		err := open(d, m, vault, id, 4)
		if !errors.Is(err, ErrOpen) && !(errors.Is(err, ErrVersion) && (i == 0 || i == 2)) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	if open(data, m, VaultID{9}, id, 4) == nil || open(data, m, vault, ID{9}, 4) == nil || open(data, m, vault, id, 5) == nil {
		t.Error("opened in another place")
	}
	// 11: the right password without the Secret Key, and the other way round.
	for what, c := range map[string]struct {
		pw string
		sk []byte
	}{"another Secret Key": {"password", NewKey(16)}, "no Secret Key": {"password", make([]byte, 16)}, "another password": {"Password", sk}} {
		m, err := Derive(text(c.pw), c.sk, vault, Suite1)
		if err != nil {
			t.Fatal(err)
		}
		if err := open(data, m, vault, id, 4); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", what, err)
		}
	}
	m.Wipe()
	if !bytes.Equal(m.kek, make([]byte, 32)) || !bytes.Equal(m.auth, make([]byte, 32)) {
		t.Error("Wipe left a key")
	}
	if err := open(data, m, vault, id, 4); !errors.Is(err, ErrOpen) {
		t.Errorf("wiped master: %v", err)
	}
}

// 6: the parameters of Argon2id are pinned, and the salt comes from the Secret Key.
func TestAttack06PinnedKDF(t *testing.T) {
	sk, _ := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	for suite, want := range map[Suite]string{
		Suite1: "ccc012eb",
		Suite2: "8eb42263",
	} {
		m, err := Derive(text("correct horse"), sk, VaultID{1, 2, 3}, suite)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(m.kek[:4]); got != want {
			t.Errorf("suite %d: KEK begins %s, want %s", suite, got, want)
		}
	}
	if _, err := Derive(text("x"), sk, VaultID{}, 3); !errors.Is(err, ErrVersion) {
		t.Errorf("unknown suite: %v", err)
	}
	if _, err := Derive(text("x"), sk, VaultID{}, 0); !errors.Is(err, ErrVersion) {
		t.Errorf("suite 0: %v", err)
	}
}

func TestEnvKey(t *testing.T) {
	vk := NewKey(32)
	k := &EnvKey{Vault: VaultID{1}, Env: EnvID{2}, Epoch: 3, Key: NewKey(32)}
	member := Wrap{Kind: 1, To: NewKey(32), Data: NewKey(1200)}
	data := SealEnvKey(vk, k, member)
	got, err := OpenEnvKey(vk, k.Vault, k.Env, k.Epoch, data)
	if err != nil || !bytes.Equal(got.Key, k.Key) || !bytes.Equal(got.Index, IndexKey(k.Key)) {
		t.Fatal(err)
	}
	alone := SealEnvKey(vk, k) // what is for others is for them to check
	for i := range alone {
		d := bytes.Clone(alone)
		d[i] ^= 0x10
		if _, err := OpenEnvKey(vk, k.Vault, k.Env, k.Epoch, d); err == nil {
			t.Errorf("byte %d flipped: opened", i)
		}
	}
	for what, err := range map[string]error{
		"vault": errOf(OpenEnvKey(vk, VaultID{9}, k.Env, 3, data)), "env": errOf(OpenEnvKey(vk, k.Vault, EnvID{9}, 3, data)),
		"epoch": errOf(OpenEnvKey(vk, k.Vault, k.Env, 4, data)), "key": errOf(OpenEnvKey(NewKey(32), k.Vault, k.Env, 3, data)),
		"none of ours": errOf(OpenEnvKey(vk, k.Vault, k.Env, 3, []byte{1, 2, 15: 0, 20: 3, 24: 0})),
	} {
		if !errors.Is(err, ErrOpen) {
			t.Errorf("another %s: %v", what, err)
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

func TestListAndBlob(t *testing.T) {
	vk, vault := NewKey(32), VaultID{1}
	envs := []Env{{ID: EnvID{1}, Epoch: 1, App: "shop", Name: "dev", Created: 9}, {ID: EnvID{2}, Epoch: 7, App: "shop", Name: "production"}}
	data := SealList(vk, vault, 3, envs)
	got, err := OpenList(vk, vault, 3, data)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(envs) {
		t.Errorf("%v, %v", got, err)
	}
	blob := SealBlob(vk, vault, "policy", 3, []byte("plain"))
	if p, err := OpenBlob(vk, vault, "policy", 3, blob); err != nil || string(p) != "plain" {
		t.Errorf("%q, %v", p, err)
	}
	for what, err := range map[string]error{
		"older version":   errOf(OpenList(vk, vault, 2, data)),
		"another vault":   errOf(OpenList(vk, VaultID{2}, 3, data)),
		"another key":     errOf(OpenList(NewKey(32), vault, 3, data)),
		"nothing":         errOf(OpenList(vk, vault, 3, nil)),
		"a document":      errOf(OpenList(vk, vault, 3, blob)),
		"another name":    errOf(OpenBlob(vk, vault, "catalog", 3, blob)),
		"another version": errOf(OpenBlob(vk, vault, "policy", 4, blob)),
		"cut":             errOf(OpenBlob(vk, vault, "policy", 3, blob[:20])),
	} {
		if !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", what, err)
		}
	}
	data[0] = 2
	if _, err := OpenList(vk, vault, 3, data); !errors.Is(err, ErrVersion) {
		t.Error(err)
	}
}

func TestKit(t *testing.T) {
	vault, sk := VaultID{7}, NewKey(16)
	typed := FormatSecretKey(sk, vault)
	s := string(typed.Reveal())
	if len(s) != 39 || !strings.HasPrefix(s, "OV1-") || strings.Count(s, "-") != 6 {
		t.Errorf("kit %q", s)
	}
	for _, form := range []string{s, strings.ToLower(s), strings.ReplaceAll(s, "-", ""), " " + strings.ReplaceAll(s, "-", " - ") + "\n", strings.ReplaceAll(strings.ReplaceAll(s, "0", "o"), "1", "l")} {
		if got, err := ParseSecretKey(text(form), vault); err != nil || !bytes.Equal(got, sk) {
			t.Errorf("%q: %v", form, err)
		}
	}
	// Every single wrong letter and every swap of two neighbours is found.
	const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	missed := 0
	for i := 4; i < len(s); i++ {
		for _, c := range letters {
			if d := s[:i] + string(c) + s[i+1:]; s[i] != '-' && d != s {
				if _, err := ParseSecretKey(text(d), vault); !errors.Is(err, ErrKit) {
					missed++
				}
			}
		}
		if i+1 < len(s) && s[i] != s[i+1] && s[i] != '-' && s[i+1] != '-' {
			if _, err := ParseSecretKey(text(s[:i]+string(s[i+1])+string(s[i])+s[i+2:]), vault); err == nil {
				missed++
			}
		}
	}
	if missed > 1 { // 22 bits: one in four million gets through
		t.Errorf("%d mistakes not found", missed)
	}
	for _, bad := range []string{"", "OV1", s[:38], s + "0", "OV2" + s[3:], strings.Replace(s, s[10:11], "U", 1), s[:10] + "\x00" + s[11:]} {
		if _, err := ParseSecretKey(text(bad), vault); !errors.Is(err, ErrKit) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ParseSecretKey(typed, VaultID{8}); !errors.Is(err, ErrKit) {
		t.Error("a kit of another vault")
	}
}

func TestPad(t *testing.T) {
	for n := range 300 {
		b := bytes.Repeat([]byte{'x'}, n)
		p := pad(b, 64)
		got, err := unpad(p)
		if err != nil || !bytes.Equal(got, b) || len(p)%64 != 0 {
			t.Errorf("%d: %d bytes, %v", n, len(p), err)
		}
		p[len(p)-1] ^= 1
		if got, err := unpad(p); err == nil && (n+4 < len(p) || bytes.Equal(got, b)) {
			t.Errorf("%d: padding that is not zero", n)
		}
	}
	for _, bad := range [][]byte{nil, {0}, {0, 0, 0, 1}, {255, 255, 255, 255, 0}} {
		if _, err := unpad(bad); !errors.Is(err, ErrOpen) {
			t.Errorf("%x: %v", bad, err)
		}
	}
}

// FuzzParse feeds every reader of stored bytes: none may panic.
func FuzzParse(f *testing.F) {
	s := newSample(f, "seed")
	f.Add(s.data)
	f.Add(SealEnvKey(NewKey(32), s.k))
	f.Add([]byte{1, 1, 0, 0, 0, 0, 32})
	vk := NewKey(32)
	f.Fuzz(func(t *testing.T, data []byte) {
		if rec, err := ParseRecord(data); err == nil {
			_, _ = rec.Name(s.k, s.p)
			_, _, _ = rec.Open(s.k, s.p, s.m.Ref)
		}
		_, _ = ParseSlot(data)
		_, _ = OpenEnvKey(vk, s.k.Vault, s.k.Env, s.k.Epoch, data)
		_, _ = OpenList(vk, s.k.Vault, 1, data)
		_, _ = parseMeta(data)
		_, _ = unpad(data)
	})
}

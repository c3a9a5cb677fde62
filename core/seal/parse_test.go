package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/opaquevault/ov/core/secret"
)

// LP is injective: no two lists of parts give the same bytes.
func TestLP(t *testing.T) {
	seen := map[string]string{}
	var lists [][][]byte
	parts := [][]byte{nil, {0}, {0, 0, 0, 1}, []byte("a"), []byte("ab"), {0, 0, 0, 0}}
	for _, a := range parts {
		lists = append(lists, [][]byte{a})
		for _, b := range parts {
			lists = append(lists, [][]byte{a, b})
			for _, c := range parts {
				lists = append(lists, [][]byte{a, b, c})
			}
		}
	}
	for _, l := range lists {
		got, name := string(LP(l...)), fmt.Sprintf("%x", l)
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s give the same", name, other)
		}
		seen[got] = name
		if !bytes.Equal(LP(l...), refLP(l...)) {
			t.Errorf("%s: not what the reference gives", name)
		}
	}
}

// The associated data differ when any one of its parts does.
func TestAAD(t *testing.T) {
	base := Place{VaultID{1}, EnvID{2}, 3, ID{4}, 5}
	seen := map[string]bool{string(base.aad(1, FieldMeta)): true}
	add := func(what string, b []byte) {
		if seen[string(b)] {
			t.Errorf("%s: the same associated data", what)
		}
		seen[string(b)] = true
	}
	add("suite", base.aad(2, FieldMeta))
	for what, p := range map[string]Place{
		"vault": {VaultID{9}, EnvID{2}, 3, ID{4}, 5}, "env": {VaultID{1}, EnvID{9}, 3, ID{4}, 5}, "epoch": {VaultID{1}, EnvID{2}, 9, ID{4}, 5},
		"id": {VaultID{1}, EnvID{2}, 3, ID{9}, 5}, "version": {VaultID{1}, EnvID{2}, 3, ID{4}, 9}, "epoch and version": {VaultID{1}, EnvID{2}, 5, ID{4}, 3},
	} {
		add(what, p.aad(1, FieldMeta))
	}
	for _, f := range []Field{FieldSlot, FieldEnvKey, FieldDEK, FieldName, FieldValue, FieldList, FieldBlob, FieldDevice} {
		add(string(f), base.aad(1, f))
		ref := refPlace{base.Vault[:], base.Env[:], base.Epoch, base.ID[:], base.Version}
		if !bytes.Equal(base.aad(1, f), ref.aad(1, string(f))) {
			t.Errorf("%s: not what the reference gives", f)
		}
	}
}

func TestBox(t *testing.T) {
	key, p := NewKey(32), Place{Vault: VaultID{1}, Version: 2}
	for _, n := range []int{0, 1, 32, 1000} {
		plain := bytes.Repeat([]byte{7}, n)
		box := SealBox(key, p, FieldBlob, plain)
		if len(box) != n+boxOverhead {
			t.Errorf("%d bytes: box of %d", n, len(box))
		}
		if got, err := OpenBox(key, p, FieldBlob, box); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if bytes.Equal(box, SealBox(key, p, FieldBlob, plain)) {
			t.Error("the same box twice: salt and nonce are not random")
		}
		for i := range box {
			d := bytes.Clone(box)
			d[i] ^= 0x80
			if _, err := OpenBox(key, p, FieldBlob, d); !errors.Is(err, ErrOpen) {
				t.Errorf("byte %d: %v", i, err)
			}
			if _, err := OpenBox(key, p, FieldBlob, box[:i]); !errors.Is(err, ErrOpen) {
				t.Errorf("cut at %d: %v", i, err)
			}
		}
		for what, err := range map[string]error{
			"key": errOf(OpenBox(NewKey(32), p, FieldBlob, box)), "field": errOf(OpenBox(key, p, FieldList, box)),
			"place": errOf(OpenBox(key, Place{Vault: VaultID{1}, Version: 3}, FieldBlob, box)), "nothing": errOf(OpenBox(key, p, FieldBlob, nil)),
		} {
			if !errors.Is(err, ErrOpen) {
				t.Errorf("another %s: %v", what, err)
			}
		}
	}
}

func TestMetaRoundTrip(t *testing.T) {
	long := strings.Repeat("N", secret.MaxName)
	for _, m := range []Meta{
		{},
		{Ref: secret.Ref{App: "a", Env: "b", Name: "C"}, Created: 1, Time: 1 << 62, Flags: 7, Size: 1 << 31, Device: DeviceID{1, 15: 2}},
		{Ref: secret.Ref{App: strings.Repeat("a", 63), Env: strings.Repeat("b", 63), Name: long}, From: "x/y/" + long, Tags: []string{"", "t", strings.Repeat("t", 64)}},
	} {
		got, err := parseMeta(pad(m.marshal(), padMeta))
		if err != nil || fmt.Sprint(got) != fmt.Sprint(m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
		b := m.marshal()
		for n := range b {
			if _, err := parseMeta(pad(b[:n], padMeta)); !errors.Is(err, ErrOpen) {
				t.Errorf("cut at %d: %v", n, err)
			}
		}
		if _, err := parseMeta(pad(append(b, 0), padMeta)); !errors.Is(err, ErrOpen) {
			t.Error("a byte too many")
		}
		binary.BigEndian.PutUint32(b[len(b)-4:], 1<<31)
		if _, err := parseMeta(pad(b, padMeta)); len(m.Tags) == 0 && !errors.Is(err, ErrOpen) {
			t.Error("a count of tags beyond the input")
		}
	}
}

// A tombstone is visible; plain and weak are not.
func TestVisibleFlags(t *testing.T) {
	for flags, want := range map[uint8]uint8{0: 0, FlagDeleted: 1, FlagPlain: 0, FlagWeak: 0, FlagDeleted | FlagPlain | FlagWeak: 1} {
		s := newSample(t, "v")
		s.m.Flags = flags
		data := SealRecord(s.k, s.p, s.m, nil)
		if data[1] != want {
			t.Errorf("flags %d stand as %d", flags, data[1])
		}
		if m, _, err := s.open(data); err != nil || m.Flags != flags {
			t.Errorf("flags %d became %d, %v", flags, m.Flags, err)
		}
	}
}

// What a store sees of two records tells neither name nor value nor whether
// they are the same.
func TestRecordsShareNothing(t *testing.T) {
	s := newSample(t, "the same value")
	again := SealRecord(s.k, s.p, s.m, []byte(s.value))
	header := 1 + 1 + 16 + 4 + 8 + 8
	for i := header; i+8 <= len(s.data); i++ {
		if w := s.data[i : i+8]; bytes.Contains(again[header:], w) && bytes.Count(w, []byte{0}) < 3 {
			t.Fatalf("both have %x", w)
		}
	}
	for _, word := range []string{"TOKEN", "shop", "same value", "x/y/Z"} {
		if bytes.Contains(s.data, []byte(word)) {
			t.Errorf("holds %q", word)
		}
	}
	other := &EnvKey{Index: NewKey(32)}
	if s.k.RecordID("TOKEN") == other.RecordID("TOKEN") || s.k.RecordID("A") == s.k.RecordID("B") {
		t.Error("ids")
	}
}

func TestBackupLocks(t *testing.T) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]Lock{
		"nobody":      {},
		"both":        {Passphrase: text("p"), Recipients: []string{id.Recipient().String()}},
		"no key":      {Recipients: []string{"age1nonsense"}},
		"an identity": {Recipients: []string{id.String()}},
	} {
		_, err := EncryptBackup(io.Discard, bad)
		if !errors.Is(err, ErrBackup) || strings.Contains(err.Error(), id.String()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	var b bytes.Buffer
	w, err := EncryptBackup(&b, Lock{Recipients: []string{id.Recipient().String()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "content"); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	r, err := DecryptBackup(bytes.NewReader(b.Bytes()), Unlock{Identities: text(id.String())})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "content" {
		t.Errorf("%q, %v", got, err)
	}
	const canary = "AGE-SECRET-KEY-CANARY"
	for what, bad := range map[string]Unlock{"nothing": {}, "no identity": {Identities: text(canary)}, "a passphrase": {Passphrase: text("p")}} {
		if _, err := DecryptBackup(bytes.NewReader(b.Bytes()), bad); !errors.Is(err, ErrBackup) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := 0; i < b.Len(); i += 41 {
		d := bytes.Clone(b.Bytes())
		d[i] ^= 1
		r, err := DecryptBackup(bytes.NewReader(d), Unlock{Identities: text(id.String())})
		if err == nil {
			_, err = io.ReadAll(r)
		}
		if err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
	}
}

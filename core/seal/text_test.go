package seal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/manifest"
)

// refText is a text as FORMAT.md has it.
func refText(prefix string, body []byte) string {
	b := append([]byte{1}, body...)
	sum := sha256.Sum256(refLP([]byte("ov/v1/text"), []byte(prefix), b))
	return prefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...))
}

func TestTexts(t *testing.T) {
	r := newHolder(t).Request(VaultID{}, "bob's laptop")
	invitation := bytes.Repeat([]byte{1, 2, 3, 250}, 500)
	if got, want := r.Text(), refText("ovask1_", r.Bytes()); got != want {
		t.Errorf("request:\n%s, want\n%s", got, want)
	}
	if got, want := InvitationText(invitation), refText("ovinv1_", invitation); got != want {
		t.Errorf("invitation:\n%s, want\n%s", got, want)
	}
	read := map[string]func(string) error{
		"ovask1_": func(s string) error {
			back, err := ParseRequestText(s)
			if err == nil && (!reflect.DeepEqual(back, r) || back.Words() != r.Words()) {
				t.Errorf("%+v, want %+v", back, r)
			}
			return err
		},
		"ovinv1_": func(s string) error {
			back, err := ParseInvitationText(s)
			if err == nil && !bytes.Equal(back, invitation) {
				t.Errorf("%x", back)
			}
			return err
		},
	}
	for prefix, line := range map[string]string{"ovask1_": r.Text(), "ovinv1_": InvitationText(invitation)} {
		bad := map[string]error{"ovask1_": ErrRequestText, "ovinv1_": ErrInvitationText}[prefix]
		parse := read[prefix]
		if !strings.HasPrefix(line, prefix) || strings.ContainsAny(line, " \n=+/") {
			t.Errorf("not one line: %q", line)
		}
		wrapped := " " + line[:40] + "\r\n" + line[40:300] + "\n\t" + line[300:] + " \n"
		for what, s := range map[string]string{"as it is": line, "with a newline": line + "\n", "wrapped by a mail program": wrapped} {
			if err := parse(s); err != nil {
				t.Errorf("%s, %s: %v", prefix, what, err)
			}
		}
		for i := range line { // every letter replaced, every cut
			other := byte('A')
			if line[i] == other {
				other = 'B'
			}
			if err := parse(line[:i] + string(other) + line[i+1:]); !errors.Is(err, bad) {
				t.Fatalf("%s, letter %d: %v", prefix, i, err)
			}
			if err := parse(line[:i]); !errors.Is(err, bad) {
				t.Fatalf("%s, cut at %d: %v", prefix, i, err)
			}
		}
		for what, s := range map[string]string{
			"empty": "", "a prefix": prefix, "extended": line + "AAAA", "twice": line + line, "padded": line + "=", "a control character": line[:99] + "\x1b" + line[100:],
			"a megabyte":           prefix + strings.Repeat("A", 1<<20),
			"the one as the other": map[string]string{"ovask1_": refText("ovask1_", invitation), "ovinv1_": "ovinv1_" + r.Text()[len("ovask1_"):]}[prefix],
		} {
			if err := parse(s); !errors.Is(err, bad) {
				t.Errorf("%s, %s: %v", prefix, what, err)
			}
		}
	}
	if _, err := ParseRequestText(toText(RequestPrefix, nil)); !errors.Is(err, ErrRequestText) {
		t.Errorf("nothing asked: %v", err)
	}
	newer := append([]byte{2}, r.Bytes()...)
	sum := textSum(RequestPrefix, newer)
	if _, err := ParseRequestText(RequestPrefix + base64.RawURLEncoding.EncodeToString(append(newer, sum[:]...))); !errors.Is(err, ErrVersion) {
		t.Errorf("of a newer version: %v", err)
	}
}

// A request is read only when it is a member's, and when its name is one that a
// terminal can show.
func TestRequestTextIsAMembers(t *testing.T) {
	device, _ := newRequest(t)
	if _, err := ParseRequestText(device.Text()); !errors.Is(err, ErrRequestText) {
		t.Errorf("a device's request: %v", err)
	}
	h := newHolder(t)
	for _, name := range []string{"bob\x1b[2J", "bob\nov: let in \"carol\"", "b\u202eob", "\x00", "bob\x7f"} {
		if _, err := ParseRequestText(h.Request(VaultID{}, name).Text()); !errors.Is(err, ErrRequestText) {
			t.Errorf("called %q: %v", name, err)
		}
	}
	// The words are of the keys alone, and of all of them.
	if a, b := h.Request(VaultID{}, "bob").Words(), h.Request(VaultID{1}, "carol").Words(); a != b || a == newHolder(t).Request(VaultID{}, "bob").Words() {
		t.Errorf("%s, %s", a, b)
	}
	p := h.Principal()
	if id := p.ID(); h.Request(VaultID{}, "bob").Words() != Words(id[:]) {
		t.Error("not the words of the principal")
	}
	swapped := h.Request(VaultID{}, "bob")
	swapped.Seal = newHolder(t).Principal().Seal
	if _, err := ParseRequestText(swapped.Text()); !errors.Is(err, ErrRequestText) {
		t.Errorf("another's key to seal to: %v", err)
	}
}

// An invitation opens for who asked, says which device signed it, and is
// nothing when that signature is not over this invitation to this request.
func TestInvitation(t *testing.T) {
	seed := NewKey(HolderSeed)
	h, err := NewHolder(seed)
	if err != nil {
		t.Fatal(err)
	}
	public, owner, _ := ed25519.GenerateKey(nil)
	_, strange, _ := ed25519.GenerateKey(nil)
	sign := func(key ed25519.PrivateKey) func([]byte) []byte {
		return func(b []byte) []byte { return ed25519.Sign(key, b) }
	}
	k := newMachineKey()
	k.Devices[1].Key = [32]byte(public)
	invite := func(k *MachineKey, by DeviceID) *Invitation {
		return &Invitation{Key: k, Role: manifest.RoleWriter, By: Device{ID: by}}
	}
	by := k.Devices[1].ID
	for what, vault := range map[string]VaultID{"to this vault": k.Vault, "to whichever vault": {}} {
		r := h.Request(vault, "bob")
		data, err := SealInvitation(r, invite(k, by), sign(owner))
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.OpenInvitation(r, seed, data)
		if err != nil || got.By.Key != [32]byte(public) || got.By.ID != by || got.Role != manifest.RoleWriter {
			t.Fatalf("%s: %+v, %v", what, got, err)
		}
		want := *k
		want.Seed = seed
		if !reflect.DeepEqual(got.Key, &want) {
			t.Errorf("%s: %+v, want %+v", what, got.Key, &want)
		}
		if bytes.Contains(data, k.Seed) || bytes.Contains(data, []byte("production")) {
			t.Errorf("%s: what it says stands in the open", what)
		}
		for i := 0; i < len(data); i += 97 {
			d := bytes.Clone(data)
			d[i] ^= 1
			if _, err := h.OpenInvitation(r, seed, d); !errors.Is(err, ErrOpen) {
				t.Fatalf("byte %d: %v", i, err)
			}
			if _, err := h.OpenInvitation(r, seed, data[:i]); !errors.Is(err, ErrOpen) {
				t.Fatalf("cut at %d: %v", i, err)
			}
		}
		if _, err := newHolder(t).OpenInvitation(r, seed, data); !errors.Is(err, ErrOpen) {
			t.Errorf("another asker's keys: %v", err)
		}
		if _, err := h.OpenInvitation(h.Request(vault, "carol"), seed, data); !errors.Is(err, ErrOpen) {
			t.Errorf("another request of the same keys: %v", err)
		}
	}
	r := h.Request(k.Vault, "bob")
	replay := ed25519.Sign(owner, invitationSigned(h.Request(k.Vault, "carol"), []byte("x"), manifest.RoleWriter))
	for what, data := range map[string]func() ([]byte, error){
		"signed by a stranger":              func() ([]byte, error) { return SealInvitation(r, invite(k, by), sign(strange)) },
		"by a device that it does not name": func() ([]byte, error) { return SealInvitation(r, invite(k, DeviceID{99}), sign(owner)) },
		"with another one's signature":      func() ([]byte, error) { return SealInvitation(r, invite(k, by), func([]byte) []byte { return replay }) },
		"with no signature":                 func() ([]byte, error) { return SealInvitation(r, invite(k, by), func([]byte) []byte { return nil }) },
		"as a machine": func() ([]byte, error) {
			return SealInvitation(r, &Invitation{Key: k, Role: manifest.RoleMachine, By: Device{ID: by}}, sign(owner))
		},
		"as another role than was signed": func() ([]byte, error) {
			return SealInvitation(r, &Invitation{Key: k, Role: manifest.RoleReader, By: Device{ID: by}}, func([]byte) []byte {
				open := *k
				open.Seed = make([]byte, HolderSeed)
				return ed25519.Sign(owner, invitationSigned(r, open.Text().Reveal(), manifest.RoleWriter))
			})
		},
		"of another vault": func() ([]byte, error) {
			other := *k
			other.Vault[0]++
			return SealInvitation(r, invite(&other, by), sign(owner))
		},
	} {
		d, err := data()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := h.OpenInvitation(r, seed, d); !errors.Is(err, ErrOpen) || got != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

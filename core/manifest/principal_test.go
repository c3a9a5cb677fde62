package manifest

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

func newPrincipal() *Principal {
	return &Principal{
		Role: RoleMachine, Sign: [32]byte{1}, Seal: [XWingSize]byte{2}, NotAfter: 1000,
		Envs: []EnvID{{3}, {4}}, Created: 5,
	}
}

func TestPrincipalRoundTrip(t *testing.T) {
	p := newPrincipal()
	data := p.Encode()
	if want := 2 + 4 + 32 + 4 + XWingSize + 8 + 4 + 2*16 + 8; len(data) != want {
		t.Errorf("%d bytes, want %d", len(data), want)
	}
	got, err := ParsePrincipal(data)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("%+v, %v", got, err)
	}
	for n := range data {
		if _, err := ParsePrincipal(data[:n]); !errors.Is(err, ErrAltered) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if _, err := ParsePrincipal(append(bytes.Clone(data), 0)); !errors.Is(err, ErrAltered) {
		t.Errorf("a byte more: %v", err)
	}
	for role, want := range map[byte]error{0: ErrAltered, 1: nil, 2: nil, 3: nil, 4: ErrAltered, 255: ErrAltered} {
		data[1] = role
		if _, err := ParsePrincipal(data); !errors.Is(err, want) {
			t.Errorf("role %d: %v", role, err)
		}
	}
	data[0] = 2
	if _, err := ParsePrincipal(data); !errors.Is(err, ErrVersion) {
		t.Errorf("a newer format: %v", err)
	}
}

func TestPrincipalReach(t *testing.T) {
	p := newPrincipal()
	if !p.Reads(EnvID{3}) || !p.Reads(EnvID{4}) || p.Reads(EnvID{5}) || p.Reads(EnvID{}) {
		t.Error("environments")
	}
	if p.Expired(999) || !p.Expired(1000) || !p.Expired(1001) {
		t.Error("expiry")
	}
	if p.NotAfter = 0; p.Expired(1 << 62) {
		t.Error("one without an end expired")
	}
	other := newPrincipal()
	if other.ID() != newPrincipal().ID() {
		t.Error("the id is not one of the keys")
	}
	if other.Seal[9]++; other.ID() == newPrincipal().ID() {
		t.Error("another key, the same id")
	}
}

package channel

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"
)

type key struct {
	id      KeyID
	private ed25519.PrivateKey
}

func (k key) Key() KeyID                          { return k.id }
func (k key) Sign(message []byte) ([]byte, error) { return ed25519.Sign(k.private, message), nil }

func newKey() (key, ed25519.PublicKey) {
	pub, private, _ := ed25519.GenerateKey(nil)
	return key{Device([16]byte{1, 2, 3}), private}, pub
}

func newRequest() Request {
	return Request{Method: "POST", Host: "ov.example:443", Path: "/v1/vaults/x/commits", Query: "a=1", Body: sha256.Sum256([]byte("body"))}
}

func TestSign(t *testing.T) {
	signer, pub := newKey()
	now := time.UnixMilli(1_800_000_000_123)
	header, err := Sign(newRequest(), signer, now)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSignature(header)
	if err != nil || s.Key != signer.id || !s.Time.Equal(now) || s.Body != newRequest().Body {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := s.Verify(newRequest(), pub); err != nil {
		t.Error(err)
	}
	host := newRequest()
	host.Host = "OV.Example:443"
	if err := s.Verify(host, pub); err != nil {
		t.Errorf("a host's letters have no case: %v", err)
	}
	// Each part counts.
	for what, edit := range map[string]func(*Request){
		"method": func(r *Request) { r.Method = "PUT" }, "host": func(r *Request) { r.Host = "other.example:443" },
		"path": func(r *Request) { r.Path += "x" }, "query": func(r *Request) { r.Query = "" }, "body": func(r *Request) { r.Body[0]++ },
		"path and query": func(r *Request) { r.Path, r.Query = r.Path+"a=1", "" },
	} {
		r := newRequest()
		edit(&r)
		if err := s.Verify(r, pub); !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	for what, edit := range map[string]func(*Signature){
		"key": func(s *Signature) { s.Key.ID[0]++ }, "role": func(s *Signature) { s.Key.Role = RolePrincipal },
		"time": func(s *Signature) { s.Time = s.Time.Add(time.Millisecond) }, "nonce": func(s *Signature) { s.Nonce[0]++ },
		"signature": func(s *Signature) { s.Sig[0]++ }, "no signature": func(s *Signature) { s.Sig = nil },
	} {
		other := *s
		other.Sig = append([]byte(nil), s.Sig...)
		edit(&other)
		if err := other.Verify(newRequest(), pub); !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	for _, bad := range [][]byte{nil, pub[:31], make([]byte, 32)} {
		if err := s.Verify(newRequest(), bad); !errors.Is(err, ErrSignature) {
			t.Errorf("a key of %d bytes: %v", len(bad), err)
		}
	}
}

func TestParseSignature(t *testing.T) {
	signer, _ := newKey()
	good, err := Sign(newRequest(), signer, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ParseSignature(good); err != nil || s.header() != good {
		t.Fatalf("%v", err)
	}
	for _, bad := range []string{
		"", "Bearer x", "OV1", "OV1 ", strings.Replace(good, "OV1", "OV2", 1), strings.Replace(good, "nonce=", "nonce=0", 1),
		strings.Replace(good, "time=", "time=x", 1), strings.Replace(good, "key=device:", "key=owner:", 1), good + ", more=1",
		strings.Replace(good, ", sig=", ", sig=zz", 1), good[:len(good)-2], strings.Replace(good, "time=", "TIME=", 1),
	} {
		if _, err := ParseSignature(bad); !errors.Is(err, ErrUnsigned) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestKeyID(t *testing.T) {
	for _, k := range []KeyID{Device([16]byte{1}), {RoleAuth, [32]byte{2}}, {RolePrincipal, [32]byte{31: 3}}, {RoleNew, [32]byte{4}}} {
		if got, err := ParseKeyID(k.String()); err != nil || got != k {
			t.Errorf("%s: %v, %v", k, got, err)
		}
	}
	for _, bad := range []string{"", "device", "device:", "device:00", "device:" + strings.Repeat("0", 64), "auth:" + strings.Repeat("0", 32),
		"device:" + strings.Repeat("A", 32), "unknown:" + strings.Repeat("0", 64), "new:" + strings.Repeat("z", 64)} {
		if _, err := ParseKeyID(bad); !errors.Is(err, ErrKeyID) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := ParseKeyID(strings.Repeat("x", 10_000)); len(err.Error()) > 300 {
		t.Error("an error repeats all that a stranger sent")
	}
	if (KeyID{RoleAuth, [32]byte{1}}).DeviceID() != [16]byte{} || Device([16]byte{9}).DeviceID() != [16]byte{9} {
		t.Error("DeviceID")
	}
}

func TestCheckTime(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for d, ok := range map[time.Duration]bool{0: true, Skew: true, -Skew: true, Skew + time.Second: false, -Skew - time.Second: false, 10 * time.Minute: false, -time.Hour: false} {
		s := &Signature{Time: now.Add(d)}
		err := s.CheckTime(now)
		if (err == nil) != ok || err != nil && !errors.Is(err, ErrSkew) {
			t.Errorf("%s off: %v", d, err)
		}
		if !ok && (!strings.Contains(err.Error(), now.UTC().Format(time.RFC3339)) || !strings.Contains(err.Error(), s.Time.UTC().Format(time.RFC3339))) {
			t.Errorf("not both times: %v", err)
		}
	}
}

// A nonce counts once for as long as its request could come again, whatever
// generations pass, and is forgotten after that.
func TestNonces(t *testing.T) {
	var n Nonces
	start := time.Unix(1_800_000_000, 0)
	for at := time.Duration(0); at < 20*Skew; at += 7 * time.Second {
		nonce := [16]byte{byte(at / time.Second), byte(at / time.Second >> 8)}
		if err := n.Use(nonce, start.Add(at)); err != nil {
			t.Fatalf("new at %s: %v", at, err)
		}
		back := at - 2*Skew // taken then, at the latest moment that counts
		if back < 0 {
			continue
		}
		back -= back % (7 * time.Second)
		for since := back + 7*time.Second; since <= at; since += 7 * time.Second {
			old := [16]byte{byte(since / time.Second), byte(since / time.Second >> 8)}
			if err := n.Use(old, start.Add(at)); !errors.Is(err, ErrReplayed) {
				t.Fatalf("at %s, used at %s: %v", at, since, err)
			}
		}
	}
	if len(n.now)+len(n.old) > int(4*Skew/(7*time.Second))+2 {
		t.Errorf("%d nonces are remembered", len(n.now)+len(n.old))
	}
}

func FuzzParse(f *testing.F) {
	signer, _ := newKey()
	header, _ := Sign(newRequest(), signer, time.Unix(1, 0))
	m := &Message{Method: "GET", Host: "h", Path: "/", Fields: []Field{{"A", "b"}}, Body: []byte("x")}
	f.Add([]byte(header))
	f.Add(m.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSignature(string(data)); err == nil {
			if again, err := ParseSignature(s.header()); err != nil || again.header() != s.header() {
				t.Error("a signature does not come back")
			}
		}
		if m, err := ParseMessage(data); err == nil && string(m.Encode()) != string(data) {
			t.Error("a message has two spellings")
		}
	})
}

func TestMessage(t *testing.T) {
	m := &Message{Method: "POST", Host: "h:1", Path: "/p", Query: "q=1", Status: 0, Fields: []Field{{"Authorization", "x"}, {"B", ""}}, Body: []byte("body")}
	b := m.Encode()
	got, err := ParseMessage(b)
	if err != nil || got.Method != "POST" || got.Host != "h:1" || got.Path != "/p" || got.Query != "q=1" || got.Field("Authorization") != "x" || got.Field("C") != "" || string(got.Body) != "body" {
		t.Fatalf("%+v, %v", got, err)
	}
	for n := range b {
		if _, err := ParseMessage(b[:n]); !errors.Is(err, ErrMessage) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	many := &Message{Fields: make([]Field, maxFields+1)}
	if _, err := ParseMessage(many.Encode()); !errors.Is(err, ErrMessage) {
		t.Errorf("many fields: %v", err)
	}
}

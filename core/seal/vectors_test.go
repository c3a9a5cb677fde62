package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/secret"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

// A chainVector is one golden vector: everything between a password and a value.
type chainVector struct {
	comment, expect, password string
	sk, vault, slotID         []byte
	slotVersion               uint64
	suite                     byte
	slot                      []byte
	env                       []byte
	epoch                     uint32
	envKey                    []byte
	app, envName, name        string
	version                   uint64
	record                    []byte
	value                     string // of a success
}

func (c chainVector) String() string {
	return fmt.Sprintf("comment: %s\nexpect: %s\npassword: %q\nsecret-key: %x\nvault: %x\nslot-id: %x\nslot-version: %d\nslot: %x\nenv: %x\nepoch: %d\nenv-key: %x\nref: %s/%s/%s\nversion: %d\nrecord: %x\nvalue: %q\n",
		c.comment, c.expect, c.password, c.sk, c.vault, c.slotID, c.slotVersion, c.slot, c.env, c.epoch, c.envKey, c.app, c.envName, c.name, c.version, c.record, c.value)
}

func readVector(t *testing.T, path string) (c chainVector) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Fatalf("%s: %q", path, line)
		}
		f[k] = v
	}
	x := func(k string) []byte {
		b, err := hex.DecodeString(f[k])
		if err != nil {
			t.Fatalf("%s: %s: %v", path, k, err)
		}
		return b
	}
	n := func(k string) uint64 {
		n, err := strconv.ParseUint(f[k], 10, 64)
		if err != nil {
			t.Fatalf("%s: %s: %v", path, k, err)
		}
		return n
	}
	q := func(k string) string {
		s, err := strconv.Unquote(f[k])
		if err != nil {
			t.Fatalf("%s: %s: %v", path, k, err)
		}
		return s
	}
	ref := strings.Split(f["ref"], "/")
	if len(ref) != 3 {
		t.Fatalf("%s: ref %q", path, f["ref"])
	}
	return chainVector{
		comment: f["comment"], expect: f["expect"], password: q("password"), sk: x("secret-key"), vault: x("vault"),
		slotID: x("slot-id"), slotVersion: n("slot-version"), slot: x("slot"), env: x("env"), epoch: uint32(n("epoch")), envKey: x("env-key"),
		app: ref[0], envName: ref[1], name: ref[2], version: n("version"), record: x("record"), value: q("value"),
	}
}

// open is the route through this package.
func (c chainVector) open() ([]byte, error) {
	slot, err := ParseSlot(c.slot)
	if err != nil {
		return nil, err
	}
	vault := VaultID(c.vault)
	m, err := Derive(text(c.password), c.sk, vault, slot.Suite)
	if err != nil {
		return nil, err
	}
	vk, err := slot.Open(m, vault, ID(c.slotID), c.slotVersion)
	if err != nil {
		return nil, err
	}
	k, err := OpenEnvKey(vk, vault, EnvID(c.env), c.epoch, c.envKey)
	if err != nil {
		return nil, err
	}
	return c.openRecord(k)
}

func (c chainVector) openRecord(k *EnvKey) ([]byte, error) {
	rec, err := ParseRecord(c.record)
	if err != nil {
		return nil, err
	}
	p := k.Place(k.RecordID(c.name), c.version)
	if name, err := rec.Name(k, p); err != nil || name != c.name {
		return nil, errors.Join(ErrOpen, err)
	}
	_, v, err := rec.Open(k, p, secret.Ref{App: c.app, Env: c.envName, Name: c.name})
	return v.Reveal(), err
}

// seal makes the vector's stored bytes by this package.
func (c chainVector) seal(value []byte) chainVector {
	vault := VaultID(c.vault)
	m, err := Derive(text(c.password), c.sk, vault, Suite(c.suite))
	if err != nil {
		panic(err)
	}
	vk := NewKey(32)
	c.slot = SealSlot(m, vault, Suite(c.suite), ID(c.slotID), c.slotVersion, vk)
	k := &EnvKey{Vault: vault, Env: EnvID(c.env), Epoch: c.epoch, Key: NewKey(32)}
	k.Index = IndexKey(k.Key)
	c.envKey = SealEnvKey(vk, k)
	p := k.Place(k.RecordID(c.name), c.version)
	meta := Meta{Ref: secret.Ref{App: c.app, Env: c.envName, Name: c.name}, Created: 1700000000000, Time: 1700000001000}
	c.record = SealRecord(k, p, meta, value)
	return c
}

// TestVectors opens every vector by both implementations, and seals each that
// opens by one and opens it by the other.
func TestVectors(t *testing.T) {
	if *update {
		writeVectors(t)
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d vectors, %v", len(files), err)
	}
	for _, path := range files {
		c := readVector(t, path)
		got, err := c.open()
		ref, refErr := refChain(c)
		switch c.expect {
		case "success":
			if err != nil || refErr != nil || string(got) != c.value || string(ref) != c.value {
				t.Errorf("%s: %q, %v; reference %q, %v", path, got, err, ref, refErr)
			}
			c.suite = c.slot[1]
			if v, err := refChain(c.seal(got)); err != nil || !bytes.Equal(v, got) {
				t.Errorf("%s: sealed by us, opened by the reference: %v", path, err)
			}
			if v, err := refSealChain(c, got).open(); err != nil || !bytes.Equal(v, got) {
				t.Errorf("%s: sealed by the reference, opened by us: %v", path, err)
			}
		case "wrong password", "tampered", "truncated":
			if !errors.Is(err, ErrOpen) || !errors.Is(refErr, errRef) {
				t.Errorf("%s: %v; reference %v", path, err, refErr)
			}
		case "version":
			if !errors.Is(err, ErrVersion) || !errors.Is(refErr, errRefVersion) {
				t.Errorf("%s: %v; reference %v", path, err, refErr)
			}
		default:
			t.Errorf("%s: expects %q", path, c.expect)
		}
	}
}

// writeVectors makes them. The nonces are random, so each run makes others;
// they are written once and kept.
func writeVectors(t *testing.T) {
	t.Helper()
	base := chainVector{
		expect: "success", password: "correct horse battery staple", sk: NewKey(16), vault: NewKey(16), slotID: NewKey(32), slotVersion: 1, suite: 1,
		env: NewKey(16), epoch: 1, app: "shop", envName: "production", name: "DATABASE_URL", version: 1,
	}
	ok := func(name, comment, value string, edit func(*chainVector)) chainVector {
		c := base
		edit(&c)
		c.comment, c.value = comment, value
		c = c.seal([]byte(value))
		write(t, name, c)
		return c
	}
	good := ok("success-plain", "suite 1, first version", "postgres://u:p@db/x", func(*chainVector) {})
	ok("success-suite2", "suite 2", "hunter2", func(c *chainVector) { c.suite = 2 })
	ok("success-nfkc", "a password that NFKC changes", "hunter2", func(c *chainVector) { c.password = "cafe\u0301 \ufb01\u2460" })
	ok("success-binary", "a value that is no text, a later version and epoch", "\x00\xff\x80\n\x00", func(c *chainVector) { c.version, c.epoch, c.slotVersion = 20, 7, 3 })
	ok("success-empty", "an empty value, as tombstones have", "", func(*chainVector) {})
	ok("success-bucket", "60 bytes fill the first bucket", strings.Repeat("x", 60), func(*chainVector) {})
	bad := func(name, expect, comment string, edit func(*chainVector)) {
		c := good
		c.slot, c.envKey, c.record = bytes.Clone(c.slot), bytes.Clone(c.envKey), bytes.Clone(c.record)
		c.expect, c.comment, c.value = expect, comment, ""
		edit(&c)
		write(t, name, c)
	}
	bad("wrong-password", "wrong password", "another password", func(c *chainVector) { c.password += "!" })
	bad("wrong-secret-key", "wrong password", "the right password, another Secret Key", func(c *chainVector) { c.sk = NewKey(16) })
	bad("wrong-vault", "wrong password", "a slot of another vault", func(c *chainVector) { c.vault = NewKey(16) })
	bad("tampered-slot", "tampered", "last byte of the slot", func(c *chainVector) { c.slot[len(c.slot)-1] ^= 1 })
	bad("tampered-slot-version", "tampered", "an old slot under a new number", func(c *chainVector) { c.slotVersion = 2 })
	bad("tampered-suite", "tampered", "a slot of suite 1 that says 2", func(c *chainVector) { c.slot[1] = 2 })
	bad("tampered-env-key", "tampered", "commitment of the environment key", func(c *chainVector) { c.envKey[55] ^= 1 })
	bad("tampered-commitment", "tampered", "commitment of the data key", func(c *chainVector) { c.record[38+4+172+4+20] ^= 1 })
	bad("tampered-value", "tampered", "last byte of the value's tag", func(c *chainVector) { c.record[len(c.record)-1] ^= 1 })
	bad("tampered-flag", "tampered", "a tombstone that is none", func(c *chainVector) { c.record[1] = 1 })
	bad("tampered-version", "tampered", "version 1 offered as version 2", func(c *chainVector) { c.version = 2 })
	bad("tampered-ref", "tampered", "another environment's path", func(c *chainVector) { c.envName = "development" })
	bad("truncated-slot", "truncated", "without the last byte", func(c *chainVector) { c.slot = c.slot[:len(c.slot)-1] })
	bad("truncated-record", "truncated", "without the value", func(c *chainVector) { c.record = c.record[:len(c.record)-96] })
	bad("truncated-trailing", "truncated", "a byte too many", func(c *chainVector) { c.record = append(c.record, 0) })
	bad("version-slot", "version", "format 2", func(c *chainVector) { c.slot[0] = 2 })
	bad("version-suite", "version", "suite 3", func(c *chainVector) { c.slot[1] = 3 })
	bad("version-env-key", "version", "format 2", func(c *chainVector) { c.envKey[0] = 2 })
	bad("version-record", "version", "format 2", func(c *chainVector) { c.record[0] = 2 })
}

func write(t *testing.T, name string, c chainVector) {
	t.Helper()
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", name+".txt"), []byte(c.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

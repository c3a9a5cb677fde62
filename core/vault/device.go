package vault

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/opaquevault/ov/core/seal"
)

// deviceFile is in the vault's folder, 0600: the Secret Key, and the device's
// signing key sealed under the vault key. Without the password it opens nothing.
const deviceFile = "device"

const deviceHeader = "ov device 1"

// A device is the parsed file.
type device struct {
	vault     seal.VaultID
	id        seal.DeviceID
	secretKey []byte
	sign      [][]byte // boxes of the signing key; more than one while the keys are being rotated
}

// newDevice makes the keys of a device; the signing key is not sealed yet.
func newDevice(vault seal.VaultID, secretKey []byte) (*device, ed25519.PrivateKey) {
	d := &device{vault: vault, secretKey: secretKey}
	copy(d.id[:], seal.NewKey(len(d.id)))
	return d, ed25519.NewKeyFromSeed(seal.NewKey(ed25519.SeedSize))
}

func (d *device) place() seal.Place {
	p := seal.Place{Vault: d.vault}
	copy(p.ID[:], d.id[:])
	return p
}

// sealSign returns the signing key under vk.
func (d *device) sealSign(vk []byte, key ed25519.PrivateKey) []byte {
	sub := seal.Subkey(vk, string(seal.FieldDevice))
	defer clear(sub)
	return seal.SealBox(sub, d.place(), seal.FieldDevice, key.Seed())
}

// openSign returns the signing key.
func (d *device) openSign(vk []byte) (ed25519.PrivateKey, error) {
	keys := d.openSigns(vk)
	if len(keys) == 0 {
		return nil, fmt.Errorf("open device key: %w", ErrTampered)
	}
	for _, k := range keys[1:] {
		clear(k)
	}
	return keys[0], nil
}

// openSigns returns every signing key that vk opens: the present one first, and
// the one of before while a rotation is not at its end.
func (d *device) openSigns(vk []byte) []ed25519.PrivateKey {
	sub := seal.Subkey(vk, string(seal.FieldDevice))
	defer clear(sub)
	var keys []ed25519.PrivateKey
	for _, box := range d.sign {
		seed, err := seal.OpenBox(sub, d.place(), seal.FieldDevice, box)
		if err == nil && len(seed) == ed25519.SeedSize {
			keys = append(keys, ed25519.NewKeyFromSeed(seed))
			clear(seed)
		}
	}
	return keys
}

// vouches reports whether this device made the MAC of what was seen last.
func (d *device) vouches(vk []byte, last mark, vaultMAC []byte) bool {
	found := false
	for _, key := range d.openSigns(vk) {
		sub := seal.Subkey(key.Seed(), "seen")
		found = found || hmac.Equal(vaultMAC, mac(sub, last.body()))
		clear(sub)
		clear(key)
	}
	return found
}

func (d *device) wipe() { clear(d.secretKey) }

// readDevice reads dir's device file; ErrNoVault when there is none.
func readDevice(dir string) (*device, error) {
	b, err := os.ReadFile(filepath.Join(dir, deviceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read device file: %w", ErrNoVault)
	} else if err != nil {
		return nil, fmt.Errorf("read device file: %w", err)
	}
	defer clear(b)
	d, ok := parseDevice(b)
	if !ok {
		return nil, fmt.Errorf("read device file %s: %w", filepath.Join(dir, deviceFile), ErrCorrupt)
	}
	return d, nil
}

func parseDevice(b []byte) (*device, bool) {
	d := &device{}
	lines := bufio.NewScanner(bytes.NewReader(b))
	if !lines.Scan() || lines.Text() != deviceHeader {
		return nil, false
	}
	ok, fields := true, 0
	fill := func(dst []byte, text string) {
		n, err := hex.Decode(dst, []byte(text))
		ok = ok && err == nil && n == len(dst)
		fields++
	}
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		raw := make([]byte, hex.DecodedLen(len(text)))
		switch name {
		case "vault":
			ok = ok && len(raw) == len(d.vault)
			fill(raw, text)
			copy(d.vault[:], raw)
		case "device":
			ok = ok && len(raw) == len(d.id)
			fill(raw, text)
			copy(d.id[:], raw)
		case "secret-key":
			ok = ok && len(raw) == seal.SecretKeySize
			fill(raw, text)
			d.secretKey = raw
		case "signing-key":
			fill(raw, text)
			d.sign = append(d.sign, raw)
		default:
			ok = false
		}
	}
	return d, ok && fields >= 4 && len(d.sign) > 0
}

// write replaces dir's device file.
func (d *device) write(dir string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nvault %x\ndevice %x\nsecret-key %x\n", deviceHeader, d.vault, d.id, d.secretKey)
	for _, box := range d.sign {
		fmt.Fprintf(&b, "signing-key %x\n", box)
	}
	defer func() { clear(b.Bytes()) }()
	if err := replaceFile(filepath.Join(dir, deviceFile), b.Bytes()); err != nil {
		return fmt.Errorf("write device file: %w", err)
	}
	return nil
}

// replaceFile writes a file 0600 so that after a crash the old or the new one
// is there, whole.
func replaceFile(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// lockFiles takes the lock under which the device file is replaced.
func lockFiles(dir string) (*os.File, error) { return openLocked(filepath.Join(dir, "device.lock")) }

// openLocked opens or makes a file, 0600, and waits until no other process has
// it locked. Closing it lets go of the lock.
func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

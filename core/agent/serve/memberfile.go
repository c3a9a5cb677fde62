package serve

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// memberName is the file of a home that uses environments of other people's
// vaults: what opens them, sealed under a password of the home's own.
const memberName = "member"

// A memberFile holds the keys of environments in the place of a vault's device
// file, and the seeds of requests that nobody has answered yet. The Secret Key
// beside the slot is for this file alone.
type memberFile struct {
	SecretKey string       `json:"secret_key"` // hex
	Slot      string       `json:"slot"`       // hex, of a password, as a vault has one
	Shared    []sharedFile `json:"shared,omitempty"`
	Asked     []askedFile  `json:"asked,omitempty"`

	// Of a home of before there could be several: Shared has it from then on.
	Sealed string `json:"sealed,omitempty"`
	CA     string `json:"ca,omitempty"`
}

// A sharedFile is one environment. Where tells a person what it is before the
// password is given; nothing in it is believed.
type sharedFile struct {
	Sealed string       `json:"sealed"` // hex, a machine key's line, under what the slot opens
	CA     string       `json:"ca,omitempty"`
	Where  agent.Shared `json:"where,omitzero"`
}

// An askedFile is a request: vault, name and seed.
type askedFile struct {
	Sealed string `json:"sealed"` // hex
	Words  string `json:"words"`  // for people
}

// maxAsked is how many requests wait for their answer; the oldest goes.
const maxAsked = 16

// What the sealed things of a member file are, so that none stands in for another.
const (
	useMember = "member"
	useAsked  = "asked"
)

// memberPlace is where what a member file holds belongs: to no vault.
func memberPlace() seal.Place { return seal.Place{} }

func sealMember(vk []byte, use string, plain []byte) string {
	sub := seal.Subkey(vk, use)
	defer clear(sub)
	return hex.EncodeToString(seal.SealBox(sub, memberPlace(), seal.FieldDevice, plain))
}

func openMember(vk []byte, use, sealed string) (secret.Value, error) {
	box, err := hex.DecodeString(sealed)
	if err != nil {
		return secret.Value{}, errMemberFile()
	}
	sub := seal.Subkey(vk, use)
	defer clear(sub)
	plain, err := seal.OpenBox(sub, memberPlace(), seal.FieldDevice, box)
	if err != nil {
		return secret.Value{}, vault.ErrTampered
	}
	return secret.New(plain), nil
}

func errMemberFile() error {
	return &agent.Error{Err: agent.ErrCorrupt, Message: "read what opens the shared environment: " + agent.ErrCorrupt.Error(), Advice: `"ov share ask" asks for it again, in another home`}
}

// newMemberFile makes the file of a home with this password, and the key that
// everything in it is sealed under. The caller wipes that.
func newMemberFile(password secret.Value) (m *memberFile, vk []byte, err error) {
	sk, vk := seal.NewKey(seal.SecretKeySize), seal.NewKey(seal.KeySize)
	defer clear(sk)
	master, err := seal.Derive(password, sk, seal.VaultID{}, seal.Suite1)
	if err != nil {
		return nil, nil, err
	}
	defer master.Wipe()
	slot := seal.SealSlot(master, seal.VaultID{}, seal.Suite1, seal.ID{}, 1, vk)
	return &memberFile{SecretKey: hex.EncodeToString(sk), Slot: hex.EncodeToString(slot)}, vk, nil
}

// unlock opens the key that everything in the file is sealed under.
func (m *memberFile) unlock(password secret.Value) (vk []byte, err error) {
	sk, err1 := hex.DecodeString(m.SecretKey)
	slot, err2 := hex.DecodeString(m.Slot)
	if errors.Join(err1, err2) != nil {
		return nil, errMemberFile()
	}
	defer clear(sk)
	parsed, err := seal.ParseSlot(slot)
	if err != nil || parsed.Suite != seal.Suite1 {
		return nil, vault.ErrTampered
	}
	master, err := seal.Derive(password, sk, seal.VaultID{}, seal.Suite1)
	if err != nil {
		return nil, err
	}
	defer master.Wipe()
	if vk, err = parsed.Open(master, seal.VaultID{}, seal.ID{}, 1); err != nil {
		return nil, vault.ErrPassword
	}
	return vk, nil
}

// readMember returns fs.ErrNotExist for a home that never asked.
func (s *Server) readMember() (*memberFile, error) {
	b, err := os.ReadFile(filepath.Join(s.c.Home, memberName))
	if err != nil {
		return nil, err
	}
	m := &memberFile{}
	if json.Unmarshal(b, m) != nil {
		return nil, errMemberFile()
	}
	if m.Sealed != "" {
		m.Shared = append(m.Shared, sharedFile{Sealed: m.Sealed, CA: m.CA})
		m.Sealed, m.CA = "", ""
	}
	return m, nil
}

func (m *memberFile) write(home string) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(home, memberName, append(b, '\n'))
}

// changeMember changes the file as it is now: another process may have done so
// since it was read.
func (s *Server) changeMember(change func(*memberFile) error) error {
	dir := filepath.Join(s.c.Home, "run")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return &agent.Error{Err: agent.ErrStorage, Message: "lock what opens the shared environment: " + err.Error()}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "member.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		defer lock.Close()
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return &agent.Error{Err: agent.ErrStorage, Message: "lock what opens the shared environment: " + err.Error()}
	}
	m, err := s.readMember()
	if err != nil {
		return err
	}
	if err := change(m); err != nil {
		return err
	}
	return m.write(s.c.Home)
}

// hasMember reports whether the home uses somebody else's vault, or has asked to.
func (s *Server) hasMember() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, memberName))
	return err == nil
}

// hasDevice reports whether the home is a device of a vault, or what is left of one.
func (s *Server) hasDevice() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, "device"))
	return err == nil || s.hasStore()
}

// onlyMember reports whether this home uses shared environments and has no vault.
func (s *Server) onlyMember() bool {
	_, err := os.Lstat(filepath.Join(s.c.Home, "device"))
	return err != nil && s.hasMember()
}

// sharedHere lists the environments that the home uses, and the words of the
// requests that wait, as its file says before anybody has given a password.
func (s *Server) sharedHere() (shared []agent.Shared, asked []string) {
	m, err := s.readMember()
	if err != nil {
		return nil, nil
	}
	for _, e := range m.Shared {
		shared = append(shared, e.Where)
	}
	for _, a := range m.Asked {
		asked = append(asked, oneLine(a.Words))
	}
	return shared, asked
}

// ownMember is what a home without a file begins with: its password is chosen now.
func (s *Server) ownMember(password secret.Value) (vk []byte, err error) {
	if err := os.MkdirAll(s.c.Home, 0o700); err != nil {
		return nil, &agent.Error{Err: agent.ErrStorage, Message: "make the home: " + err.Error()}
	}
	if err := agent.CheckHome(s.c.Home); err != nil {
		return nil, err
	}
	m, vk, err := newMemberFile(password)
	if err != nil {
		return nil, err
	}
	if _, err := s.readMember(); !errors.Is(err, fs.ErrNotExist) {
		clear(vk)
		return nil, fmt.Errorf("ask for an environment: %w", errors.Join(agent.ErrConflict, err))
	}
	if err := m.write(s.c.Home); err != nil {
		clear(vk)
		return nil, err
	}
	return vk, nil
}

// keepAsked adds a request to the file.
func (m *memberFile) keepAsked(a askedFile) {
	m.Asked = append(m.Asked, a)
	m.Asked = slices.Delete(m.Asked, 0, max(0, len(m.Asked)-maxAsked))
}

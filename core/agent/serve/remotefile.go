package serve

import (
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob/httpblob"
)

// remoteName is the file that says which server a vault is on; syncedName's
// time is that of the last contact with it. Nothing in them is secret, and
// nothing in them is believed: what the server says is verified.
const (
	remoteName = "remote"
	syncedName = "synced"
)

// errNoRemote is a copy of a server's vault that does not know its server.
var errNoRemote = fmt.Errorf("the vault's server is not known: %w", agent.ErrCorrupt)

// A remoteFile is where a vault's server is, and which key of it was pinned
// when this device met it.
type remoteFile struct {
	URL   string `json:"url"`
	Vault string `json:"vault"` // hex
	Key   []byte `json:"server_key"`
	CA    string `json:"ca,omitempty"` // PEM; instead of the system's roots
	// Announce is what this device is to be called in the vault, until it is.
	Announce string `json:"announce,omitempty"`
}

// noRemote is errNoRemote with what to do.
func noRemote(home string) error {
	return &agent.Error{Err: errNoRemote, Message: fmt.Sprintf("read %s: %v: it is missing, and this is the copy of a vault on a server", filepath.Join(home, remoteName), errNoRemote),
		Advice: `"ov vault push --server URL" meets that server anew; if it is gone for good, see docs/remote.md, "Files"`}
}

// readRemote returns nil for a vault that is on this machine alone, and
// errNoRemote for a copy of a server's that lost the file: taken for a vault of
// this machine, it would go on with a history of its own. Who removes both files
// is found out when the vault is unlocked: the device remembers that it is a copy.
func readRemote(home string) (*remoteFile, error) {
	b, err := os.ReadFile(filepath.Join(home, remoteName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(filepath.Join(home, syncedName)); err == nil {
			return nil, noRemote(home)
		}
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read which server the vault is on: %w", err)
	}
	r := &remoteFile{}
	if json.Unmarshal(b, r) != nil || r.URL == "" || len(r.Vault) != 32 {
		return nil, &agent.Error{Err: agent.ErrCorrupt, Message: fmt.Sprintf("read %s: %v", filepath.Join(home, remoteName), agent.ErrCorrupt),
			Advice: `it says which server the vault is on: bring it back, or join again`}
	}
	return r, nil
}

// write puts r into home, whole or not at all.
func (r *remoteFile) write(home string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(home, remoteName, append(b, '\n'))
}

// replaceFile writes a file of home, 0600, so that after a crash the old or the
// new one is there, whole.
func replaceFile(home, name string, b []byte) error {
	f, err := os.CreateTemp(home, "."+name+"-*")
	if err != nil {
		return &agent.Error{Err: agent.ErrStorage, Message: "write " + name + ": " + err.Error()}
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(home, name))
	}
	if err != nil {
		return &agent.Error{Err: agent.ErrStorage, Message: "write " + name + ": " + err.Error()}
	}
	return nil
}

// forgetRemote removes what says that there is a server, or was one.
func forgetRemote(home string) error {
	var errs []error
	for _, name := range []string{syncedName, remoteName, memberName, notedName, sharedName} {
		errs = append(errs, os.RemoveAll(filepath.Join(home, name)))
	}
	return errors.Join(errs...)
}

// id returns the vault's id.
func (r *remoteFile) id() (id [16]byte) {
	hex.Decode(id[:], []byte(r.Vault))
	return id
}

// options are those of a store for who signs.
func (r *remoteFile) options(signer httpblob.Signer) (httpblob.Options, error) {
	o := httpblob.Options{URL: r.URL, Vault: r.id(), Signer: signer, ServerKey: r.Key}
	if r.CA != "" {
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM([]byte(r.CA)) {
			return o, &agent.Error{Err: agent.ErrUsage, Message: "the server's CA: no certificate in PEM"}
		}
	}
	return o, nil
}

// connect returns the store of the server for who signs.
func (r *remoteFile) connect(signer httpblob.Signer) (*httpblob.Store, error) {
	o, err := r.options(signer)
	if err != nil {
		return nil, err
	}
	return httpblob.New(o)
}

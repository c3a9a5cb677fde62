package agent

import (
	"context"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/secret"
)

// MaxImport is how many rows one request of an import may have; their values
// together are bounded by the frame, see MaxImportBytes.
const (
	MaxImport      = 100
	MaxImportBytes = 768 << 10
)

// An Origin says where an imported value was taken from. It is sealed with the
// value, and a value that is stored by hand afterwards has none.
type Origin struct {
	Source  string    `json:"source"` // provider and account, as one text
	SHA256  string    `json:"sha256"` // of the provider's binary
	Ref     string    `json:"ref"`    // the entry, as the provider names it
	Key     string    `json:"key,omitempty"`
	Parts   int       `json:"parts"` // how many secrets the entry became
	Version string    `json:"version,omitempty"`
	Token   string    `json:"token,omitempty"` // equal tokens: the value has not changed
	Mapping string    `json:"mapping"`         // digest of the choices that made a name of the entry
	Plan    string    `json:"plan"`
	Time    time.Time `json:"time"`
}

// An ImportRow is one value on its way in.
type ImportRow struct {
	Ref       secret.Ref `json:"ref"`
	IfVersion uint64     `json:"if_version"` // the version it replaces; 0: there must be none
	Origin    Origin     `json:"origin"`
}

// A Compared row says how a value stands beside what the vault holds.
type Compared struct {
	Version     uint64  `json:"version"` // 0: there is none
	Same        bool    `json:"same"`
	Origin      *Origin `json:"origin,omitempty"`
	Fingerprint string  `json:"fingerprint"` // of the new value, under a key of this vault
}

// An ImportAsk is an import that a coding agent planned and a person is to let
// through: what comes from where, and which secrets it may write.
type ImportAsk struct {
	Source  string       `json:"source"` // as its provider calls it
	Refs    []secret.Ref `json:"refs"`
	Replace bool         `json:"replace,omitempty"` // those that exist are replaced
	Reason  string       `json:"reason,omitempty"`
}

// MaxAsk is how many secrets a coding agent may have imported at once.
const MaxAsk = 1000

// ImportAsk asks for an import on behalf of an MCP client. ErrApproval names the
// request that a person can approve; the call after that lets this client write
// exactly these secrets for a while.
func (c *Client) ImportAsk(ctx context.Context, r ImportAsk) error {
	_, err := c.call(ctx, wire.OpImportAsk, r, nil)
	return err
}

// ImportCompare holds values against the secrets that they may become.
func (c *Client) ImportCompare(ctx context.Context, refs []secret.Ref, values []secret.Value) ([]Compared, error) {
	var out []Compared
	_, err := c.call(ctx, wire.OpImportCompare, refs, &out, values...)
	return out, err
}

// ImportPut stores values in one commit, all or none. A row whose secret is not
// at the version it names any more is an ErrConflict or an ErrExists.
func (c *Client) ImportPut(ctx context.Context, rows []ImportRow, values []secret.Value) ([]Info, error) {
	var out []Info
	_, err := c.call(ctx, wire.OpImportPut, rows, &out, values...)
	return out, err
}

// Sealed is what ImportSeal and ImportOpen carry: Data belongs to Label.
type Sealed struct {
	Label string `json:"label"`
	Data  []byte `json:"data"`
}

// ImportSeal seals notes of an import (a plan, a line of its journal; never a
// value) so that only this vault reads them, and none but it can have made them.
func (c *Client) ImportSeal(ctx context.Context, label string, plain []byte) ([]byte, error) {
	var out Sealed
	_, err := c.call(ctx, wire.OpImportSeal, Sealed{label, plain}, &out)
	return out.Data, err
}

// ImportOpen undoes ImportSeal; anything else is an ErrTampered.
func (c *Client) ImportOpen(ctx context.Context, label string, sealed []byte) ([]byte, error) {
	var out Sealed
	_, err := c.call(ctx, wire.OpImportOpen, Sealed{label, sealed}, &out)
	return out.Data, err
}

// A Registered provider is a binary that a person allowed to run.
type Registered struct {
	Name        string   `json:"name"`
	Path        string   `json:"path"`
	SHA256      string   `json:"sha256"`
	Environment []string `json:"environment,omitempty"` // variables it may see
	Args        []string `json:"args,omitempty"`
}

// Catalog returns the registered providers.
func (c *Client) Catalog(ctx context.Context) ([]Registered, error) {
	var out []Registered
	_, err := c.call(ctx, wire.OpCatalogShow, nil, &out)
	return out, err
}

// SetCatalog stores the registered providers; it needs the password afresh.
func (c *Client) SetCatalog(ctx context.Context, all []Registered) error {
	_, err := c.fresh(ctx, wire.OpCatalogSet, all)
	return err
}

package serve

import (
	"errors"
	"fmt"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/httpblob"
	wireblob "github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/seal"
	"github.com/opaquevault/ov/core/vault"
)

// remoteError says what went wrong with a vault's server, and what to do about
// it; nil for an error that is about something else.
func remoteError(err error) *agent.Error {
	if c := (*vault.Conflict)(nil); errors.As(err, &c) {
		return conflictError(c)
	}
	if r := (*httpblob.RefusedError)(nil); errors.As(err, &r) {
		return refusedError(err, r)
	}
	for _, m := range remoteMeanings() {
		if errors.Is(err, m.from) {
			return &agent.Error{Err: m.to, Message: err.Error(), Advice: m.hint}
		}
	}
	return nil
}

func remoteMeanings() []meaning {
	const hybrid = "ov takes TLS 1.3 with X25519MLKEM768 and nothing else: whatever answers there has to speak it"
	return []meaning{
		{channel.ErrHybrid, agent.ErrOffline, hybrid},
		{httpblob.ErrOffline, agent.ErrOffline, `secrets are read from the copy on this machine; changes wait until the server is back ("ov status")`},
		{httpblob.ErrRate, agent.ErrBusy, "the server counts requests: wait a little"},
		{httpblob.ErrQuota, agent.ErrStorage, "nothing was stored: ask who runs the server for more room"},
		{httpblob.ErrSealedOnly, agent.ErrDenied, "this server takes clients that have pinned its key: join again"},
		{httpblob.ErrServer, agent.ErrUnavailable, "is that an ov-server?"},
		{vault.ErrRevoked, agent.ErrDenied, `another device lets this one in again: "ov vault destroy" here, then "ov vault join"; a machine key is made anew with "ov auth derive-machine-key"`},
		{vault.ErrExpired, agent.ErrDenied, `"ov auth derive-machine-key" on a device makes another one`},
		{vault.ErrScope, agent.ErrDenied, "such a key, or a home that reads a shared environment, gives commands the secrets of that one environment"},
		{vault.ErrReadOnly, agent.ErrDenied, "store it from a device of the vault"},
		{seal.ErrMachineKey, agent.ErrUsage, `a machine key is one line that begins with ovmk1_: "ov auth derive-machine-key" writes it`},
		{blob.ErrEmpty, agent.ErrNoVault, "is it the right server?"},
		{blob.ErrInvalid, agent.ErrUnavailable, `if the server's key was changed on purpose, "ov vault push --server URL" meets it anew; compare the words with those that ov-server prints`},
	}
}

// refusedError says why a server does not take this machine's signature.
func refusedError(err error, r *httpblob.RefusedError) *agent.Error {
	hint := `"ov device list" on another device shows who is let in`
	switch r.Code {
	case wireblob.CodeRevoked:
		hint = `another device lets this one in again: "ov vault destroy" here, then "ov vault join"; a machine key is made anew with "ov auth derive-machine-key"`
	case wireblob.CodeSkew:
		hint = "set the clock of this machine, or have the server's set: requests count for two minutes"
	case wireblob.CodeExpired:
		hint = `"ov auth derive-machine-key" on a device makes another one`
	}
	return &agent.Error{Err: agent.ErrDenied, Message: err.Error(), Advice: hint}
}

// conflictError shows both changes of a secret.
func conflictError(c *vault.Conflict) *agent.Error {
	what := "changed it to version %d"
	if c.Other.Deleted {
		what = "deleted it (version %d)"
	}
	message := fmt.Sprintf("%q: %s "+what+" at %s, after this device looked", c.Ref, who(c.Other), c.Other.Version, at(c.Other.Time))
	if c.Mine.Version > 0 {
		message += fmt.Sprintf("; it knew version %d, by %s at %s", c.Mine.Version, who(c.Mine), at(c.Mine.Time))
	}
	return &agent.Error{Err: agent.ErrConflict, Message: message + ": " + agent.ErrConflict.Error(), Advice: "nothing was stored; run it again to replace that version"}
}

func who(c vault.Change) string {
	if c.Name != "" {
		return fmt.Sprintf("the device %q", oneLine(c.Name))
	}
	return fmt.Sprintf("the device %.8s", c.Device)
}

func at(t time.Time) string { return t.Local().Format(time.DateTime) }

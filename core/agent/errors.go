package agent

import (
	"errors"

	"github.com/opaquevault/ov/core/agent/wire"
)

// The errors that a caller tells apart. Each crosses the socket as a code.
var (
	ErrLocked      = errors.New("locked")
	ErrPassword    = errors.New("wrong password, or not this vault's key")
	ErrPause       = errors.New("too many wrong passwords")
	ErrNotFound    = errors.New("not found")
	ErrExists      = errors.New("exists already")
	ErrConflict    = errors.New("changed meanwhile")
	ErrDenied      = errors.New("denied")
	ErrApproval    = errors.New("needs approval")
	ErrNoVault     = errors.New("no vault yet")
	ErrVaultExists = errors.New("there is a vault already")
	ErrTampered    = errors.New("tampered with")
	ErrRollback    = errors.New("older than what was seen before")
	ErrCorrupt     = errors.New("corrupt")
	ErrAudit       = errors.New("audit record cannot be written")
	ErrScanners    = errors.New("the scanners are not the recorded ones")
	ErrStorage     = errors.New("storage")
	ErrUsage       = errors.New("bad request")
	ErrBusy        = errors.New("too many requests")
	ErrVersion     = errors.New("another version of ov-agent")
	ErrUnavailable = errors.New("ov-agent is not there")
	ErrOffline     = errors.New("the server cannot be reached")
	ErrInternal    = errors.New("internal")
)

// codes names every sentinel on the wire. A code, once used, keeps its meaning.
func codes() []struct {
	Code string
	Err  error
} {
	return []struct {
		Code string
		Err  error
	}{
		{"locked", ErrLocked}, {"password", ErrPassword}, {"pause", ErrPause}, {"not_found", ErrNotFound},
		{"exists", ErrExists}, {"conflict", ErrConflict}, {"denied", ErrDenied}, {"approval", ErrApproval},
		{"no_vault", ErrNoVault}, {"vault_exists", ErrVaultExists}, {"tampered", ErrTampered},
		{"rollback", ErrRollback}, {"corrupt", ErrCorrupt}, {"audit", ErrAudit}, {"storage", ErrStorage},
		{"offline", ErrOffline}, {"usage", ErrUsage}, {"busy", ErrBusy}, {"version", ErrVersion}, {"unavailable", ErrUnavailable},
		{"scanners", ErrScanners}, {"internal", ErrInternal},
	}
}

// An Error is a failure with what to do about it.
type Error struct {
	Err     error    // one of the sentinels above
	Message string   // what happened, in one line; it includes Err's words
	Advice  string   // what to do, a line of its own; may be empty
	Similar []string // names close to one that was not found
	Pending string   // of an ErrApproval: the id of what waits
}

// Error returns the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the sentinel.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what to do about err, or "".
func Hint(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Advice
	}
	return ""
}

// Similar returns the names that come close to one that was not found.
func Similar(err error) []string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Similar
	}
	return nil
}

// PendingID returns the id under which the request of an ErrApproval waits.
func PendingID(err error) string {
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Pending
	}
	return ""
}

// Encode puts err into h, as the server does.
func Encode(err error, h *wire.Header) {
	h.Code, h.Message, h.Hint, h.Similar, h.Approve = "internal", err.Error(), Hint(err), Similar(err), PendingID(err)
	for _, c := range codes() {
		if errors.Is(err, c.Err) {
			h.Code = c.Code
			return
		}
	}
}

// decode returns the error that h carries, or nil.
func decode(h *wire.Header) error {
	if h.Code == "" {
		return nil
	}
	e := &Error{Err: ErrInternal, Message: h.Message, Advice: h.Hint, Similar: h.Similar, Pending: h.Approve}
	for _, c := range codes() {
		if c.Code == h.Code {
			e.Err = c.Err
		}
	}
	return e
}

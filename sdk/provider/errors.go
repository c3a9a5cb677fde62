package provider

import (
	"errors"
	"fmt"
	"time"
)

// A Code classifies what went wrong, so that the host can act on it.
type Code uint8

// The codes of ov.provider.v1. Throttled and Unavailable are worth trying again.
const (
	Unknown Code = iota
	NotFound
	Denied
	Unauthenticated
	Throttled
	Unavailable
	Invalid
	TooLarge
)

var codeNames = [...]string{"error", "not found", "denied", "not authenticated", "throttled", "unavailable", "invalid", "too large"}

// String returns the code in words.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return codeNames[Unknown]
}

// An Error is a typed failure. Message is shown to people and written to logs:
// it never holds a value.
type Error struct {
	Code       Code
	Message    string
	RetryAfter time.Duration // what the service asked for; 0: it did not say
}

// Error returns the code and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code.String()
	}
	return e.Code.String() + ": " + e.Message
}

// Errorf returns an *Error of the given code.
func Errorf(c Code, format string, args ...any) *Error {
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of an error that an *Error is wrapped in, or Unknown.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Unknown
}

// Retryable reports whether the same call may work a little later.
func Retryable(err error) bool {
	c := CodeOf(err)
	return c == Throttled || c == Unavailable
}

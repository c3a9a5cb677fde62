package wire

import (
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/opaquevault/ov/sdk/provider"
)

// grpcCodes carries a provider.Code over calls whose errors are gRPC's own.
// gRPC itself says ResourceExhausted for a message over the limit, so that
// Throttled, which is worth another try, must be something else.
var grpcCodes = [...]codes.Code{
	provider.Unknown:         codes.Unknown,
	provider.NotFound:        codes.NotFound,
	provider.Denied:          codes.PermissionDenied,
	provider.Unauthenticated: codes.Unauthenticated,
	provider.Throttled:       codes.Aborted,
	provider.Unavailable:     codes.Unavailable,
	provider.Invalid:         codes.InvalidArgument,
	provider.TooLarge:        codes.ResourceExhausted,
}

// Status turns a provider's error into a gRPC status, with the rule of
// FromError about its text.
func Status(err error) error {
	if err == nil {
		return nil
	}
	e := FromError(err)
	return status.Error(grpcCodes[e.Code], e.Message)
}

// FromStatus is the opposite of Status.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	s, _ := status.FromError(err)
	for code, g := range grpcCodes {
		if g == s.Code() {
			return &provider.Error{Code: provider.Code(code), Message: s.Message()}
		}
	}
	return &provider.Error{Message: s.Code().String() + ": " + s.Message()}
}

func asError(err error) (*provider.Error, bool) {
	e, ok := errors.AsType[*provider.Error](err)
	if ok && int(e.Code) >= len(grpcCodes) {
		return nil, false
	}
	return e, ok
}

package wire

// A Problem is the JSON body of every answer that is not a success.
type Problem struct {
	Code     string `json:"error"`             // one of the codes below
	Message  string `json:"message"`           // for people
	Seq      uint64 `json:"seq,omitempty"`     // conflict: the head's number
	Manifest []byte `json:"manifest,omitzero"` // conflict: the head's manifest
	Time     string `json:"time,omitempty"`    // skew: the server's clock, RFC 3339
}

// The codes of problems. A client decides by them, never by the text.
const (
	CodeInvalid     = "invalid"       // 400: malformed, or a commit that is not valid
	CodeUnsigned    = "unsigned"      // 401: no signature, or not one of ours
	CodeUnknownKey  = "unknown_key"   // 401: a key that the vault does not list
	CodeSignature   = "bad_signature" // 401
	CodeSkew        = "clock_skew"    // 401
	CodeReplayed    = "replayed"      // 401
	CodeRevoked     = "revoked"       // 401: a key that the vault listed once
	CodeExpired     = "expired"       // 401: a machine key whose time is over
	CodeForbidden   = "forbidden"     // 403: this key may not do this
	CodeSealedOnly  = "sealed_only"   // 403: this listener takes sealed requests only
	CodeEmpty       = "empty"         // 404: no such vault
	CodeNotFound    = "not_found"     // 404
	CodeConflict    = "conflict"      // 409: the head has moved on
	CodeTooLarge    = "too_large"     // 413
	CodeIdempotency = "idempotency"   // 422: the key of another commit
	CodeRate        = "rate_limited"  // 429
	CodeInternal    = "internal"      // 500
	CodeUnavailable = "unavailable"   // 503: the database cannot be reached
	CodeQuota       = "quota"         // 507: the vault may not grow
	CodeFull        = "full"          // 507: the server's disk is full
)

// Paths below /v1/vaults/{vault} and beside it.
const (
	PathSealed = "/v1/sealed"
	PathKey    = "/v1/key"
	PathLocate = "/v1/locate/"
	PathVaults = "/v1/vaults/"
)

// Headers.
const (
	HeaderIdempotency = "Idempotency-Key"
	TypeBinary        = "application/vnd.ov.v1"
	TypeSealed        = "message/ov-sealed"
)

// A Request is what a new device asks and is waiting for.
type Request struct {
	ID      string `json:"id"`
	Key     string `json:"key"` // the KeyID that signed it
	Body    []byte `json:"body,omitzero"`
	Expires int64  `json:"expires"` // Unix milliseconds
}

// A Checkpoint is what a server has witnessed of an audit log.
type Checkpoint struct {
	Size uint64 `json:"size"`
	Note []byte `json:"note"`
}

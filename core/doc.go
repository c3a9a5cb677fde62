// Package core holds no code: it is the map of the house.
//
//	secret    Value, which cannot print itself, and Ref, which names it
//	scan      Rule, Span, Scanner: what a pattern scanner declares and answers
//	config    which home, app and environment a command means; .ov.yaml, trust
//	broker    Run: values, environment and pipes meet; Mask, Session
//	redact    Writer: an io.Writer that masks; four lanes over one stream
//	match     the search for many byte strings at once
//	encode    the spellings of a value: exact, encoded, squeezed; what is specific to it
//	rule      the streaming engine of pattern scanners: keywords, windows, hold-back
//	compact   takes the separators out of a text, as fast as the processor can
//	inode     which file something was, and that nobody has changed it since
//	proc      a child process that behaves as if ov were not there; no secrets here
//	crash     what is seen of a program of ours that fails: where, and nothing it holds
//	agent     what clients say to ov-agent, the one program that holds keys; serve answers
//	policy    who may use which secret for what: rules, first match wins
//	manifest  what the devices of a vault sign: its records, devices and members; no key but public ones
//	vault     names to sealed records and back; vault/mirror is its copy of a server's
//	seal      the keys and envelopes, byte by byte
//	blob      opaque records under opaque ids: sqlite keeps them here, server and depot for many vaults
//	channel   what ov and ov-server send each other: sealed to the server, signed by a device
//	disktest  a disk that is too small, for tests
//	lp        length-prefixed fields, so that what is signed or hashed reads in one way
//	audit     the log: chained, signed, durable before anything is opened
//	version   which build this is
//
// Data flows one way. Imports are policy: imports.txt says who may import what,
// and a test holds the tree against it; reveal.txt lists every place that may
// look inside a secret.Value.
package core

// Package channel is what ov and ov-server agree on between them: who signed a
// request, and how a request and its answer travel through a proxy that may
// read and change what it passes on.
//
//	keyid.go    who speaks: a device, a password, a machine, a newcomer
//	request.go  the signature over one request
//	nonce.go    what has been seen: a request counts once
//	sealed.go   a request sealed to the server's key, and its answer (HPKE, X-Wing)
//	tls.go      TLS 1.3 with X25519MLKEM768 and nothing else
package channel

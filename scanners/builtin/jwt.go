package builtin

import (
	"bytes"
	b64 "encoding/base64"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// A JWT is decided when its header has ended and decodes to a JSON object with a parameter of JOSE, and
// 10 bytes of the next part are there. Source: RFC 7519, RFC 7515, RFC 7516.
const (
	maxHeader  = 1024
	minPayload = 10
)

// joseNames are header parameters. Source: RFC 7515, 4.1; RFC 7516, 4.1; RFC 7518.
var joseNames = []string{`"alg"`, `"typ"`, `"kid"`, `"enc"`, `"cty"`, `"zip"`, `"jku"`, `"jwk"`, `"x5u"`, `"x5c"`, `"x5t`, `"p2c"`, `"p2s"`, `"epk"`, `"apu"`, `"apv"`, `"crit"`, `"ppt"`, `"url"`, `"nonce"`, `"b64"`, `"iv"`, `"tag"`, `"svt"`, `"iss"`}

func jwtRules() []rule {
	return []rule{{scan.Rule{
		ID: "jwt", Keywords: []string{"eyJ"}, Behind: behind, Need: maxHeader + minPayload + 1,
		Max: scan.MaxWindow, Swallow: dotted.has, Tier: scan.Precise,
	}, findJWT}, {scan.Rule{
		ID: "jwt-base64", Keywords: []string{"ZXlK"}, Behind: behind, Need: maxHeader,
		Max: scan.MaxWindow, Swallow: either.has, Tier: scan.Precise,
	}, findJWT64}}
}

// findJWT64 finds a JWT that was encoded once more, as Kubernetes and Basic
// headers do.
func findJWT64(w []byte, at int, final bool) ([]scan.Span, int) {
	if !boundary(w, at) {
		return nil, at
	}
	end := either.run(w, at)
	d, _ := b64.StdEncoding.DecodeString(string(w[at : at+(end-at)/4*4]))
	if len(d) == 0 {
		d, _ = b64.RawStdEncoding.DecodeString(strings.TrimRight(string(w[at:end]), "="))
	}
	dot := bytes.IndexByte(d, '.')
	if dot < 0 || len(d)-dot <= minPayload {
		return nil, unless(end == len(w) && !final && end-at < maxHeader, end+1)
	}
	read := at + maxHeader // it was decoded as far as it is there
	if !joseHeader(d[:dot]) {
		return nil, read
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, read
}

func findJWT(w []byte, at int, final bool) ([]scan.Span, int) {
	if !boundary(w, at) || at > 0 && w[at-1] == '-' {
		return nil, at
	}
	dot := dashed.run(w, at)
	if dot == len(w) {
		return nil, unless(!final && dot-at < maxHeader, dot)
	}
	if w[dot] != '.' || dot-at > maxHeader || dot-at < 12 {
		return nil, min(dot, at+maxHeader) + 1
	}
	end := dashed.run(w, dot+1)
	if end-dot-1 < minPayload {
		return nil, unless(end == len(w) && !final, end+1)
	}
	read := dot + 1 + minPayload
	if !joseHeader(w[at:dot]) {
		return nil, read
	}
	return []scan.Span{{Start: at, End: read, Open: true}}, read
}

// joseHeader reports whether b is base64url of an object with a parameter of JOSE.
func joseHeader(b []byte) bool {
	var buf [maxHeader]byte
	if len(b) > len(buf) {
		return false
	}
	n, err := b64.RawURLEncoding.Decode(buf[:], b)
	d := buf[:n]
	if err != nil || n == 0 || d[0] != '{' {
		return false
	}
	for _, name := range joseNames {
		if bytes.Contains(d, []byte(name)) {
			return true
		}
	}
	return false
}

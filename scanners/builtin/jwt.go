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
func findJWT64(w []byte, at int, final bool) ([]scan.Span, bool) {
	if !boundary(w, at) {
		return nil, false
	}
	end := either.run(w, at)
	d, _ := b64.StdEncoding.DecodeString(string(w[at : at+(end-at)/4*4]))
	if len(d) == 0 {
		d, _ = b64.RawStdEncoding.DecodeString(strings.TrimRight(string(w[at:end]), "="))
	}
	dot := bytes.IndexByte(d, '.')
	if dot < 0 || len(d)-dot <= minPayload {
		return nil, end == len(w) && !final && end-at < maxHeader
	}
	if !joseHeader(d[:dot]) {
		return nil, false
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, false
}

func findJWT(w []byte, at int, final bool) ([]scan.Span, bool) {
	if !boundary(w, at) || at > 0 && w[at-1] == '-' {
		return nil, false
	}
	dot := dashed.run(w, at)
	if dot == len(w) {
		return nil, !final && dot-at < maxHeader
	}
	if w[dot] != '.' || dot-at > maxHeader || dot-at < 12 {
		return nil, false
	}
	end := dashed.run(w, dot+1)
	if end-dot-1 < minPayload {
		return nil, end == len(w) && !final
	}
	if !joseHeader(w[at:dot]) {
		return nil, false
	}
	end = dotted.run(w, end)
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, false
}

// joseHeader reports whether b is base64url of an object with a parameter of JOSE.
func joseHeader(b []byte) bool {
	d, err := b64.RawURLEncoding.DecodeString(string(b))
	if err != nil || len(d) == 0 || d[0] != '{' {
		return false
	}
	for _, name := range joseNames {
		if bytes.Contains(d, []byte(name)) {
			return true
		}
	}
	return false
}

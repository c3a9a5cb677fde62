package encode

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// public clears the price of what a value shows openly: the scheme and the host
// of a URL, the user and the path as well if it has a password; host names; the header of
// a JWT; the armour of PEM; the keys of JSON; dates; lines of mere structure.
func public(p []byte, cost []uint8) {
	publicURLs(p, cost)
	publicHosts(p, cost)
	publicArmour(p, cost)
	publicKeys(p, cost)
	publicDates(p, cost)
	if header, _, ok := bytes.Cut(p, []byte(".")); ok && bytes.HasPrefix(header, []byte("eyJ")) {
		clear(cost[:len(header)+1])
	}
	publicLines(p, cost)
}

// publicArmour clears the first and the last line of PEM, and of OpenPGP.
func publicArmour(p []byte, cost []uint8) {
	const dashes = "-----"
	for _, word := range []string{dashes + "BEGIN ", dashes + "END "} {
		for at := 0; ; {
			i := bytes.Index(p[at:], []byte(word))
			if i < 0 {
				break
			}
			start := at + i
			at = start + len(word)
			if n := bytes.Index(p[at:min(at+60, len(p))], []byte(dashes)); n >= 0 {
				at += n + len(dashes)
			}
			clear(cost[start:at])
		}
	}
}

// publicKeys clears the names in "name": of JSON, and the strings that belong to
// names that are public.
func publicKeys(p []byte, cost []uint8) {
	if text := bytes.TrimSpace(p); len(text) == 0 || text[0] != '{' && text[0] != '[' {
		return
	}
	for i := 0; i < len(p); i++ {
		if p[i] != '"' {
			continue
		}
		n := end(p[i+1:], "\"\n")
		at := i + 1 + n // the closing quote
		rest := bytes.TrimLeft(p[min(at+1, len(p)):], " ")
		if len(rest) == 0 || rest[0] != ':' {
			i = at
			continue
		}
		clear(cost[i : at+1])
		rest = bytes.TrimLeft(rest[1:], " ")
		value := len(p) - len(rest)
		if openName(p[i+1:at]) && len(rest) > 0 && rest[0] == '"' {
			clear(cost[value : value+1+end(rest[1:], "\"\n")])
		}
		i = value - 1
	}
}

// publicDates clears dates as ISO 8601 writes them: 2026-01-31.
func publicDates(p []byte, cost []uint8) {
	const form = "dddd-dd-dd"
next:
	for i := 0; i+len(form) <= len(p); i++ {
		for j := range len(form) {
			if c := p[i+j]; form[j] == 'd' && (c < '0' || c > '9') || form[j] == '-' && c != '-' {
				continue next
			}
		}
		clear(cost[i : i+len(form)])
	}
}

// inBase64 prices the JSON that a value holds in base64, such as the claims of
// a JWT, as the JSON that it is.
func inBase64(p []byte, cost []uint8) {
	inside := func(c byte) bool { return alphanumeric(c) || c == '-' || c == '_' || c == '+' || c == '/' }
	for i := 0; i < len(p); {
		n := 0
		for i+n < len(p) && inside(p[i+n]) {
			n++
		}
		if n > 8 && bytes.HasPrefix(p[i:], []byte("eyJ")) {
			doc, _ := base64.RawURLEncoding.DecodeString(strings.NewReplacer("+", "-", "/", "_").Replace(string(p[i : i+n])))
			price := New(doc)
			for k := range n {
				if b := k*3/4 + 1; b <= len(doc) {
					cost[i+k] = min(cost[i+k], uint8(price.bits(b-1, b)*3/4))
				}
			}
		}
		i += max(n, 1)
	}
}

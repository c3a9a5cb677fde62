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

// A location is where the parts of a URL are in a value. The password is empty
// if the URL has none.
type location struct{ start, host, pass, passEnd, hostEnd, end int }

// urls finds the URLs in p.
func urls(p []byte) []location {
	var all []location
	for at := 0; ; {
		i := bytes.Index(p[at:], []byte("://"))
		if i < 0 {
			return all
		}
		u := location{start: at + i, host: at + i + 3}
		for u.start > at && (alphanumeric(p[u.start-1]) || p[u.start-1] == '+') {
			u.start--
		}
		u.end = u.host + end(p[u.host:], " \t\r\n\"'<>")
		u.hostEnd = u.host + end(p[u.host:u.end], "/?#")
		u.user(p)
		all = append(all, u)
		at = u.end
	}
}

// user finds the password before the host. A password may hold any sign, though
// by the book it should not: if the host would not be one, the last @ counts.
func (u *location) user(p []byte) {
	authority := p[u.host:u.hostEnd]
	sign := bytes.LastIndexByte(authority, '@')
	if sign < 0 {
		_, port, _ := bytes.Cut(authority, []byte(":"))
		if number(port) {
			return
		}
		authority = p[u.host:u.end]
		if sign = bytes.LastIndexByte(authority, '@'); sign < 0 {
			return
		}
	}
	start := u.host
	u.host += sign + 1
	u.hostEnd = u.host + end(p[u.host:u.end], "/?#")
	u.passEnd = u.host - 1
	u.pass = start // a token in the place of the user, with or without a password
	if colon := bytes.IndexByte(authority[:sign], ':'); colon >= 0 && !New(authority[:colon]).telling() {
		u.pass = start + colon + 1
	}
}

func publicURLs(p []byte, cost []uint8) {
	for _, u := range urls(p) {
		if u.pass == u.passEnd {
			clear(cost[u.start:u.hostEnd])
			continue
		}
		clear(cost[u.start:u.pass])
		clear(cost[u.passEnd:u.hostEnd])
		if path := u.host + end(p[u.host:u.end], "?#"); richest(cost[u.hostEnd:path]) < minBits {
			clear(cost[u.hostEnd:path])
		}
	}
}

// end returns where the first of stops is in p.
func end(p []byte, stops string) int {
	if i := bytes.IndexAny(p, stops); i >= 0 {
		return i
	}
	return len(p)
}

func number(p []byte) bool {
	return bytes.IndexFunc(p, func(r rune) bool { return r < '0' || r > '9' }) < 0
}

// topDomains end the host names that stand in values without a scheme.
const topDomains = " com net org io dev app cloud internal local localdomain example test co ai eu de uk us "

func publicHosts(p []byte, cost []uint8) {
	inHost := func(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' }
	for i := 0; i < len(p); {
		n := 0
		for i+n < len(p) && inHost(p[i+n]) {
			n++
		}
		name := string(p[i : i+n])
		dot := strings.LastIndexByte(name, '.')
		if dot > 0 && strings.Contains(topDomains, " "+name[dot+1:]+" ") && (i+n == len(p) || !alphanumeric(p[i+n])) {
			clear(cost[i : i+n])
		}
		i += max(n, 1)
	}
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

// openNames are the names of settings that programs show.
const openNames = " type kind name user username login host hostname port email client_email project_id client_id tenant_id account account_id region zone database db universe_domain "

// openName reports whether the setting of this name is public.
func openName(name []byte) bool {
	name = bytes.ToLower(bytes.Trim(name, "\"' "))
	return containsWord(openNames, name)
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

// publicLines clears the structural lines of a value of several: those without
// four letters or digits, and settings in whose value no run of twelve bytes
// says enough, unless the name is that of a secret. Any other line of words may
// be a passphrase.
func publicLines(p []byte, cost []uint8) {
	if !bytes.ContainsAny(p, "\r\n") {
		return
	}
	for start, end := range eachLine(p) {
		at := settingOf(p[start:end])
		if letters(p[start:end]) >= 4 && (at == 0 || richest(cost[start+at:end]) >= minBits || richest(cost[start:start+at]) >= minName) {
			continue
		}
		for start > 0 && p[start-1] <= ' ' { // the white space before it as well
			start--
		}
		clear(cost[start:min(end+1, len(p))])
	}
}

const minName = 8 * 40 // what no name of a setting says

func letters(p []byte) (n int) {
	for _, c := range p {
		if alphanumeric(c) || c >= 0x80 {
			n++
		}
	}
	return n
}

// richest returns the price of the dearest run of twelve bytes.
func richest(cost []uint8) (most int) {
	sum := 0
	for i, c := range cost {
		sum += int(c)
		if i >= 12 {
			sum -= int(cost[i-12])
		}
		most = max(most, sum)
	}
	return most
}

// settingOf returns where the value starts in a line that sets a name, or says
// only the name; 0 if it is no such line, or if the name is that of a secret.
func settingOf(line []byte) int {
	if line[0] == '[' {
		return 1
	}
	i := bytes.IndexAny(line, ":=")
	if i < 0 && bytes.HasPrefix(line, []byte("- ")) {
		return 2
	}
	if i < 0 || line[i] == '=' && len(bytes.Trim(line[i:], "=")) == 0 { // no name: the end of a base64
		return 0
	}
	name := bytes.TrimLeft(line[:i], "- ")
	for _, c := range name {
		if !alphanumeric(c) && bytes.IndexByte([]byte("\"'_-. "), c) < 0 {
			return 0
		}
	}
	switch {
	case sensitive(name):
		return 0
	case openName(name):
		return len(line)
	}
	return i + 1
}

// sensitive reports whether a name is that of a secret: what it ends with says so.
func sensitive(name []byte) bool {
	name = bytes.ToLower(bytes.Trim(name, "\"' "))
	for _, w := range []string{"pass", "password", "passwd", "pwd", "passphrase", "secret", "token", "key", "pin", "otp", "credential", "credentials"} {
		if bytes.HasSuffix(name, []byte(w)) {
			return true
		}
	}
	return false
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

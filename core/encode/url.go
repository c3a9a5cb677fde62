package encode

import (
	"bytes"
	"strings"
)

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

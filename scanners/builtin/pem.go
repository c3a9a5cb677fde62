package builtin

import (
	"bytes"
	b64 "encoding/base64"

	"github.com/opaquevault/ov/core/scan"
)

// Private keys in PEM. The marker stands where BEGIN does; what follows is
// swallowed while it looks like the body of a key, whatever stands around the
// lines: indentation, a log prefix, quotes, "\n" literals, a diff's plus. A key
// whose END is missing ends at the first lines that look like no key.
// Source: RFC 7468; RFC 4716; openssh PROTOCOL.key; RFC 9580 (armor).
const (
	maxArmor  = 80  // of a BEGIN line
	armorLook = 512 // from BEGIN in which the first line of base64 must start
	minLine   = 40  // a run of base64 this long is a line of a key
	minTail   = 16  // so is one this long where a line is expected
)

var pemEnd = []byte("-----END")

func pemRules() []rule {
	return []rule{
		{scan.Rule{
			ID: "private-key", Keywords: []string{"-----BEGIN ", "---- BEGIN "}, Need: armorLook,
			Max: scan.MaxWindow, Follow: followPEM, Tier: scan.Precise,
		}, findPEM},
		{scan.Rule{
			ID: "private-key", Keywords: []string{"Private-Lines: "}, After: true, Need: armorLook,
			Max: scan.MaxWindow, Follow: followPEM, Tier: scan.Precise,
		}, findPutty},
		{scan.Rule{
			ID: "private-key-base64", Keywords: []string{"LS0tLS1CRUdJTi", "tLS0tLUJFR0lOI", "0tLS0tQkVHSU4g"}, Before: 4, Need: 96,
			Max: scan.MaxWindow, Swallow: either.has, Tier: scan.Precise,
			Lead: func(b []byte) int { return len(b) - base64Start(b) },
		}, findPEM64},
	}
}

// base64Start returns where the run of dashes in base64 before a keyword starts.
func base64Start(b []byte) int {
	i := len(b)
	for i > 0 && (b[i-1] == 'L' || b[i-1] == 'S' || b[i-1] == '0' || b[i-1] == 't') {
		i--
	}
	return i
}

func findPEM(w []byte, at int, final bool) ([]scan.Span, int) {
	line := w[at:min(len(w), at+maxArmor)]
	n := bytes.Index(line[8:], []byte("----"))
	if n < 0 {
		return nil, unless(len(line) < maxArmor && !final && bytes.IndexByte(line, '\n') < 0, at+maxArmor)
	}
	if !bytes.Contains(line[:8+n], []byte("PRIVATE KEY")) {
		return nil, at + 8 + n + 4
	}
	i := at + 8 + n
	for i < len(w) && w[i] == '-' {
		i++
	}
	if _, ok := keyRun(w[i:], minLine); ok {
		return []scan.Span{{Start: at, End: i, Open: true}}, at + armorLook
	}
	if final { // a key cut short: what there is of its first line
		if _, ok := keyRun(w[i:], minTail); ok {
			return []scan.Span{{Start: at, End: i, Open: true}}, at + armorLook
		}
	}
	return nil, unless(!final && len(w)-at < armorLook, at+armorLook)
}

func findPutty(w []byte, at int, final bool) ([]scan.Span, int) {
	i := digit.run(w, at+len("Private-Lines: "))
	if _, ok := keyRun(w[i:], minLine); ok {
		return []scan.Span{{Start: i, End: i, Open: true}}, at + armorLook
	}
	return wait(at + len("Private-Lines: ")), unless(!final && len(w)-at < armorLook, at+armorLook)
}

// findPEM64 judges base64 of an armor, as Kubernetes and cloud-init write it.
func findPEM64(w []byte, at int, final bool) ([]scan.Span, int) {
	end := base64.run(w, at)
	if end-at < 80 && end == len(w) && !final {
		return nil, more
	}
	read := min(end, at+92) + 1
	for shift := range 4 {
		from := at + shift
		n := min(end-from, 88) / 4 * 4
		if n <= 0 {
			break
		}
		d, err := b64.StdEncoding.DecodeString(string(bytes.TrimRight(w[from:from+n], "=")[:(n-2)/4*4]))
		if err == nil && bytes.Contains(d, []byte("PRIVATE KEY")) {
			start := base64Start(w[max(0, at-4):at]) + max(0, at-4)
			return []scan.Span{{Start: start, End: end, Open: end == len(w) && !final}}, read
		}
	}
	return nil, read
}

// keyRun finds the first run of base64 in b of at least least bytes.
func keyRun(b []byte, least int) (end int, ok bool) {
	for i := 0; i < len(b); {
		if !base64[b[i]] {
			i++
			continue
		}
		end := base64.run(b, i)
		if end-i >= least && (i == 0 || b[i-1] != '-') {
			return end, true
		}
		i = end
	}
	return 0, false
}

// States of followPEM.
const (
	pemHead  = iota // before the first line of the key
	pemInRun        // the bytes so far ended within a run of base64
	pemLines        // after a line of the key
	pemDone         // END was seen
)

// followPEM takes what belongs to the key off b: a run of base64 with what stands
// before it, or everything to the end of the END line. A line with neither is
// taken only when more of the key follows shortly.
func followPEM(state uint32, b []byte, final bool) (n int, next uint32, more bool) {
	if len(b) == 0 && state != pemDone { // the run may go on
		return 0, state, !final
	}
	switch state {
	case pemDone:
		return 0, pemDone, false
	case pemInRun:
		if n = base64.run(b, 0); n > 0 {
			return n, pemInRun, false
		}
		state = pemLines
	}
	look := 3 // lines without a key that are looked over: headers, a short last line
	if state == pemHead {
		look = 6
	}
	end, line := 0, 0
	for at := 0; line < look; line++ {
		stop := bytes.IndexByte(b[at:], '\n')
		text := b[at:]
		if stop >= 0 {
			text = b[at : at+stop]
		}
		next := opens(text)
		if i := bytes.Index(text, pemEnd); i >= 0 && (next < 0 || i < next) {
			return closeArmor(b, at+i, final)
		}
		if next >= 0 {
			text = text[:next]
		}
		if i, ok := keyLine(text, state, line, stop >= 0 || next >= 0 || final); ok {
			return at + i, pemInRun, false
		}
		if next >= 0 { // the key was cut short, and the next one is judged by itself
			return 0, pemDone, false
		}
		if stop < 0 {
			if final {
				break
			}
			return 0, state, true
		}
		at += stop + 1
		end = at
	}
	if final && line < look && onlyBase64(b[end:]) {
		return len(b), pemDone, false
	}
	return 0, pemDone, false
}

// opens returns where another key, or what else has an armor, begins on a line,
// which may not be whole yet; -1 if none does.
func opens(line []byte) int {
	first := -1
	for _, s := range []string{"-----BEGIN ", "---- BEGIN ", "Private-Lines: "} {
		if i := bytes.Index(line, []byte(s)); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	return first
}

// keyLine finds a line of a key in text, which may not be whole yet, and returns
// its end.
func keyLine(text []byte, state uint32, line int, whole bool) (int, bool) {
	if i, ok := keyRun(text, minLine); ok {
		return i, true
	}
	if state == pemLines && line <= 1 && whole && onlyBase64(text) {
		t := bytes.TrimRight(text, " \t\r\\n\"',+")
		return len(t), len(t) > 0
	}
	if i, ok := keyRun(text[:min(len(text), 3*minTail)], minTail); ok && state == pemLines && line <= 1 {
		return i, true
	}
	return 0, false
}

// onlyBase64 reports whether a line is base64 but for indentation, quotes, a
// diff's plus, colours and a literal \n.
func onlyBase64(b []byte) bool {
	t := bytes.Trim(b, " \t\r\n\"',+\\")
	t = bytes.TrimSuffix(t, []byte("\\n"))
	return len(t) > 0 && base64.run(t, 0) == len(t)
}

// closeArmor takes everything to the end of the END line that starts at i.
func closeArmor(b []byte, i int, final bool) (n int, next uint32, more bool) {
	j := i + len(pemEnd)
	stop := bytes.Index(b[j:min(len(b), j+maxArmor)], []byte("----"))
	if stop < 0 {
		if !final && len(b)-j < maxArmor && bytes.IndexByte(b[j:], '\n') < 0 {
			return 0, pemLines, true
		}
		return j, pemDone, false
	}
	j += stop
	for j < len(b) && b[j] == '-' {
		j++
	}
	if j == len(b) && !final && j-i-len(pemEnd)-stop < 5 {
		return 0, pemLines, true
	}
	return j, pemDone, false
}

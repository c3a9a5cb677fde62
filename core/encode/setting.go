package encode

import "bytes"

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

// openNames are the names of settings that programs show.
const openNames = " type kind name user username login host hostname port email client_email project_id client_id tenant_id " +
	"account account_id region zone database db universe_domain "

// openName reports whether the setting of this name is public.
func openName(name []byte) bool {
	name = bytes.ToLower(bytes.Trim(name, "\"' "))
	return containsWord(openNames, name)
}

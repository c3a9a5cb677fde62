package page

import (
	"bytes"

	"github.com/opaquevault/ov/core/secret"
)

// parseForm reads an urlencoded form without making strings of it, which could
// not be wiped. A browser writes line ends as CR LF: they become LF again.
func parseForm(body []byte) (a Answer, refused bool) {
	for part := range bytes.SplitSeq(body, []byte("&")) {
		name, raw, _ := bytes.Cut(part, []byte("="))
		switch string(name) {
		case "password":
			a.Password = secret.New(unescape(raw))
		case "value":
			a.Value = secret.New(unescape(raw))
		case "do":
			refused = string(raw) == "no"
		}
	}
	return a, refused
}

// unescape returns the bytes that raw stands for, in memory of their own.
func unescape(raw []byte) []byte {
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(raw) && digit(raw[i+1]) >= 0 && digit(raw[i+2]) >= 0:
			c = byte(digit(raw[i+1])<<4 | digit(raw[i+2]))
			i += 2
		}
		if c == '\n' && len(out) > 0 && out[len(out)-1] == '\r' {
			out = out[:len(out)-1]
		}
		out = append(out, c)
	}
	return out
}

func digit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

package builtin

import (
	"hash/crc32"
	"strconv"
	"strings"
)

// What a checksum says of a token. It labels and never gates: 20 of 23 tokens
// that vendors and scanners publish as examples fail theirs, and a token that
// fails is masked like one that does not.
const (
	checkOK     = "checksum ok"
	checkFailed = "checksum failed"
)

// crc62 checks the last six characters of a GitHub or npm token: the CRC-32 of
// the characters between the prefix and them, in base 62.
// Source: github.blog, "Behind GitHub's new authentication token formats".
func crc62(token []byte) string {
	t := string(token)
	_, body, _ := strings.Cut(t, "_")
	if len(body) != 36 {
		return ""
	}
	if base62(crc32.ChecksumIEEE([]byte(body[:30])), 6) != body[30:] {
		return checkFailed
	}
	return checkOK
}

func base62(n uint32, width int) string {
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	b := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		b[i] = digits[n%62]
		n /= 62
	}
	return string(b)
}

// crc32hex checks the last eight characters of a Cloudflare token: the CRC-32 of
// what is before them, in hexadecimal.
func crc32hex(token []byte) string {
	n := len(token) - 8
	if n < 8 {
		return ""
	}
	want, err := strconv.ParseUint(string(token[n:]), 16, 32)
	if err != nil || uint32(want) != crc32.ChecksumIEEE(token[:n]) {
		return checkFailed
	}
	return checkOK
}

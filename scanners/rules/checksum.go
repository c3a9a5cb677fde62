package rules

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// What a checksum says of a secret, in reports and in the audit log. It never
// gates: who mistypes a token has still shown most of it.
const (
	checkOK     = "checksum ok"
	checkFailed = "checksum failed"
)

// checksum returns the check that a rule names, or nil if it names none.
func (d *definition) checksum() (func(secret []byte) bool, error) {
	switch strings.ToLower(d.Checksum) {
	case "":
		return nil, nil
	case "crc32-base62":
		return crc32base62, nil
	case "crc32-hex":
		return crc32hex, nil
	case "luhn":
		return luhn, nil
	}
	return nil, fmt.Errorf("checksum %q, want crc32-base62, crc32-hex or luhn", d.Checksum)
}

// crc32base62: the last six characters are the CRC-32, in base 62, of those
// between the last underscore and them, as in tokens of GitHub and npm.
func crc32base62(secret []byte) bool {
	body := secret[bytes.LastIndexByte(secret, '_')+1:]
	n := len(body) - 6
	if n < 1 {
		return false
	}
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum := crc32.ChecksumIEEE(body[:n])
	for i := len(body) - 1; i >= n; i-- {
		if body[i] != digits[sum%62] {
			return false
		}
		sum /= 62
	}
	return sum == 0
}

// crc32hex: the last eight characters are the CRC-32, in hexadecimal, of all
// before them, as in tokens of Cloudflare.
func crc32hex(secret []byte) bool {
	n := len(secret) - 8
	if n < 1 {
		return false
	}
	sum, err := strconv.ParseUint(string(secret[n:]), 16, 32)
	return err == nil && uint32(sum) == crc32.ChecksumIEEE(secret[:n])
}

// luhn: the digits among the characters satisfy ISO/IEC 7812, as in numbers of
// cards.
func luhn(secret []byte) bool {
	sum, digits := 0, 0
	for i := len(secret) - 1; i >= 0; i-- {
		if secret[i] < '0' || secret[i] > '9' {
			continue
		}
		d := int(secret[i] - '0')
		if digits++; digits%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return digits > 1 && sum%10 == 0
}

package leaktest

import (
	"encoding/base32"
	"fmt"
	"math/big"
	"strings"

	"github.com/opaquevault/ov/core/redact"
)

// numbers are the token in other bases, in the calls that make characters of
// numbers, and in tables of both.
func numbers() []Shape {
	beside := func(format string) func(string) string {
		return func(s string) string {
			var b strings.Builder
			for _, c := range s {
				fmt.Fprintf(&b, format, c)
			}
			return b.String()
		}
	}
	return []Shape{
		viewed("binary digits", "", listing("%08b", ""), "\n"),
		viewed("binary digits with spaces", "", listing("%08b", " "), "\n"),
		viewed("%b of Go", "[", listing("%b", " "), "]\n"),
		viewed("bin of Python", "['", listing("0b%b", "', '"), "']\n"),
		viewed("chr in Python", "", listing("chr(%d)", "+"), "\n"),
		viewed("CHR in SQL", "SELECT ", listing("CHR(%d)", "||"), ";\n"),
		viewed("CHAR in SQL", "SELECT CHAR(115)", listing("CHAR(%d)", "+"), ";\n"),
		viewed("[char] of PowerShell", "", listing("[char]%d", "+"), "\n"),
		viewed("bytes of Java", "{", listing("(byte) 0x%02x", ", "), "}\n"),
		viewed("characters beside their numbers", "", beside("%c %[1]d\n"), ""),
		viewed("numbers beside their characters", "", beside("%d\t%[1]c\n"), ""),
		viewed("the token as one number", "", func(s string) string { return new(big.Int).SetBytes([]byte(s)).String() }, "\n"),
		viewed("the token and a newline as one number", "", func(s string) string { return new(big.Int).SetBytes([]byte(s + "\n")).String() }, "\n"),
		viewed("base58", "", base58, "\n"),
		{Name: "base32hex", Print: func(c Canaries) string { return upTo(base32.HexEncoding.EncodeToString([]byte(c.Token+"\n")), 51, 3) }},
		{Name: "z85", Lane: redact.Encoded, Print: func(c Canaries) string { return mark(z85(c.Token)) + "\n" }},
		{Name: "uuencode in lines", Lane: redact.Encoded | redact.Fragments, Print: func(c Canaries) string {
			const before = "the token of this "
			s := uuencode((before + c.Token)[:45])
			rest := uuencode((before + c.Token)[45:])
			return "begin 644 t\nM" + s[:24] + mark(s[24:]) + "\n%" + "\x03" + rest + "\x04" + "\n`\nend\n"
		}},
		{Name: "EBCDIC", Lane: redact.Encoded, Print: func(c Canaries) string { return "\x81\x82" + mark(mainframe(c.Token)) + "\x25" }},
		viewed("atbash", "", func(s string) string {
			return strings.Map(func(r rune) rune {
				switch {
				case 'a' <= r && r <= 'z':
					return 'a' + 'z' - r
				case 'A' <= r && r <= 'Z':
					return 'A' + 'Z' - r
				}
				return r
			}, s)
		}, "\n"),
		viewed("hex, reversed digits", "", func(s string) string { return reverse(fmt.Sprintf("%x", s)) }, "\n"),
		viewed("repr of UTF-16", "b'", func(s string) string { return `\xff\xfe` + wrap(s, 1, `\x00`) }, `\x00'`+"\n"),
		viewed("repr of UTF-16 without a mark", "b'", func(s string) string { return wrap(s, 1, `\x00`) }, `\x00'`+"\n"),
		viewed("od -c of UTF-16", "", func(s string) string { return wrap(s, 1, `  \0   `) }, "\n"),
	}
}

// base58 is one number in the digits of Bitcoin.
func base58(s string) string {
	var b []byte
	for n, m, base := new(big.Int).SetBytes([]byte(s)), new(big.Int), big.NewInt(58); n.Sign() > 0; {
		n.DivMod(n, base, m)
		b = append(b, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[m.Int64()])
	}
	return reverse(string(b))
}

// z85 is the base85 of ZeroMQ.
func z85(s string) string {
	var b strings.Builder
	for ; s != ""; s = s[4:] {
		v := uint32(s[0])<<24 | uint32(s[1])<<16 | uint32(s[2])<<8 | uint32(s[3])
		for _, power := range []uint32{85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1} {
			b.WriteByte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"[v/power%85])
		}
	}
	return b.String()
}

// mainframe is the EBCDIC of letters and digits.
func mainframe(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch n := c | 0x20; {
		case c <= '9':
			b[i] = 0xf0 + c - '0'
		case n <= 'i':
			b[i] = 0x81 + n - 'a'
		case n <= 'r':
			b[i] = 0x91 + n - 'j'
		default:
			b[i] = 0xa2 + n - 's'
		}
		if 'A' <= c && c <= 'Z' {
			b[i] += 0x40
		}
	}
	return string(b)
}

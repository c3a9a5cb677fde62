package leaktest

import (
	"fmt"
	"strings"
)

// A printer is how a program dumps bytes in rows.
type printer struct {
	name   string
	before string // in front of the token
	offset string
	size   int // of a row, in bytes
	unit   int // bytes that are printed together
	print  func(i int, unit string) string
	column func(row string) string // with %s for the characters; nil: none
	width  int                     // of a row's data, if a column follows
}

func twoHex(_ int, u string) string { return fmt.Sprintf(" %02x", u) }

func fourHex(i int, u string) string { return twoHex(i, u)[i%2:] }

func halves(i int, u string) string {
	if i == 8 {
		return " " + twoHex(i, u)
	}
	return twoHex(i, u)
}

func eightBits(_ int, u string) string { return fmt.Sprintf(" %08b", u[0]) }

func inWords(size int, format string) func(int, string) string {
	return func(_ int, u string) string { return words(u+strings.Repeat("\x00", size-len(u)), size, format) }
}

// printers print the token behind a few bytes, so that it begins in the middle of a
// row and ends in the middle of another.
var printers = []printer{
	{"xxd behind text", "password=", "%08x:", 16, 1, fourHex, func(s string) string { return "  " + s }, 40},
	{"xxd -c 8 -g 1 behind text", "k=", "%08x:", 8, 1, twoHex, func(s string) string { return "  " + s }, 24},
	{"xxd -c 10 behind text", "pw is ", "%08x:", 10, 1, fourHex, func(s string) string { return "  " + s }, 25},
	{"xxd -b", "", "%08x:", 6, 1, eightBits, func(s string) string { return "  " + s }, 54},
	{"xxd -b behind text", "TOKEN=", "%08x:", 6, 1, eightBits, func(s string) string { return "  " + s }, 54},
	{"hexdump -C behind text", "password=", "%08x ", 16, 1, halves, func(s string) string { return "  |" + s + "|" }, 49},
	{"od -tx1z behind text", "pass=", "%07o", 16, 1, twoHex, func(s string) string { return "  >" + s + "<" }, 48},
	{"od -c behind text", "pass=", "%07o", 16, 1, func(_ int, u string) string { return fmt.Sprintf("%4s", strings.ReplaceAll(u, "\n", `\n`)) }, nil, 0},
	{"od -b behind text", "pass=", "%07o", 16, 1, func(_ int, u string) string { return fmt.Sprintf(" %03o", u[0]) }, nil, 0},
	{"od -tu1 behind text", "pass=", "%07o", 16, 1, func(_ int, u string) string { return fmt.Sprintf(" %3d", u[0]) }, nil, 0},
	{"od -x behind text", "pass=", "%07o", 16, 2, inWords(2, "%04x"), nil, 0},
	{"od -tx4 behind text", "pass=", "%07o", 16, 4, inWords(4, "%08x"), nil, 0},
	{"od behind text", "pass=", "%07o", 16, 2, inWords(2, "%06o"), nil, 0},
	{"x/8xb of gdb", "pass=", "0x7ffe%08x:", 8, 1, func(_ int, u string) string { return fmt.Sprintf("\t0x%02x", u) }, nil, 0},
	{"quoted xxd", "password=", "> %08x:", 16, 1, fourHex, func(s string) string { return "  " + s }, 40},
	{"curl --trace", "Authorization: Bearer ", "%04x:", 16, 1, twoHex, func(s string) string { return " " + s }, 48},
}

// inRows are dumps of more than the token.
func inRows() []Shape {
	var all []Shape
	for _, p := range printers {
		all = append(all, Shape{Name: p.name, rows: true, Print: func(c Canaries) string { return p.dump(p.before, c.Token) }})
	}
	return all
}

// dump prints a token behind a text and before a newline. From where the token
// begins to the end of its last row all may be masked.
func (p *printer) dump(before, token string) string {
	text := before + token + "\n"
	in := func(i int) bool { return i >= len(before) && i < len(before)+len(token) }
	var b strings.Builder
	for at := 0; at < len(text); at += p.size {
		fmt.Fprintf(&b, p.offset, at)
		row := text[at:min(at+p.size, len(text))]
		printed := 0
		for i := 0; i < len(row); i += p.unit {
			u := row[i:min(i+p.unit, len(row))]
			s := p.print(i, u)
			printed += len(s)
			if at <= len(before) && len(before) < at+i+p.unit && !strings.Contains(b.String(), "\x03") {
				b.WriteString("\x03")
			}
			if in(at+i) && in(at+i+len(u)-1) {
				k := strings.LastIndexAny(s, " \t") + 1
				s = s[:k] + mark(s[k:])
			}
			b.WriteString(s)
		}
		if p.column != nil {
			var chars strings.Builder
			for i := range len(row) {
				s := strings.ReplaceAll(row[i:i+1], "\n", ".")
				if in(at + i) {
					s = mark(s)
				}
				chars.WriteString(s)
			}
			b.WriteString(strings.Repeat(" ", p.width-printed) + p.column(chars.String()))
		}
		b.WriteString("\n")
	}
	return b.String() + "\x04$ \n"
}

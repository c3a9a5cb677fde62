package leaktest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/opaquevault/ov/core/redact"
)

// list prints the bytes of s in a format, with a separator.
func list(s, format, sep string) string {
	all := make([]string, len(s))
	for i, c := range []byte(s) {
		all[i] = fmt.Sprintf(format, c)
	}
	return strings.Join(all, sep)
}

// listing returns a function that lists.
func listing(format, sep string) func(string) string {
	return func(s string) string { return list(s, format, sep) }
}

// alphanumeric is what the squeezed view keeps.
func alphanumeric(c rune) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// viewed returns a shape that prints the token in an encoding of which the view
// keeps letters and digits: the signs at its two ends may stay.
func viewed(name, before string, encode func(string) string, after string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string { return before + markView(encode(c.Token)) + after }}
}

func markView(s string) string {
	from, to := strings.IndexFunc(s, alphanumeric), strings.LastIndexFunc(s, alphanumeric)+1
	return "\x03" + s[:from] + mark(s[from:to]) + s[to:] + "\x04"
}

// words prints the little-endian words of s, each behind a space.
func words(s string, size int, format string) string {
	var b strings.Builder
	for i := 0; i+size <= len(s); i += size {
		var w [8]byte
		copy(w[:], s[i:i+size])
		fmt.Fprintf(&b, " "+format, binary.LittleEndian.Uint64(w[:]))
	}
	return b.String()
}

// rows prints s in rows of sixteen bytes behind their offsets, of which the
// format says how, and marks the columns that print makes of each.
func rows(s, offset string, print func(row string) []string) string {
	var b strings.Builder
	for i := 0; i < len(s); i += 16 {
		fmt.Fprintf(&b, offset, i)
		for _, column := range print(s[i : i+16]) {
			b.WriteString(markView(column))
		}
		b.WriteString("\n")
	}
	return "\x03" + b.String() + "\x04" + fmt.Sprintf(offset+"\n", len(s))
}

// tail returns a shape that prints the last row of a dump.
func tail(name string, print func(tail string) string) Shape {
	return Shape{Name: name, Print: func(c Canaries) string { return "\x03" + mark(print(c.GitHub[32:])) + "|\x04\n" }}
}

// dumps are what od, xxd and hexdump print, and other programs like them.
func dumps() []Shape {
	dump := func(name, offset string, print func(row string) string) Shape {
		return Shape{Name: name, Lane: redact.Fragments, Print: func(c Canaries) string {
			return rows(c.Token, offset, func(row string) []string { return []string{print(row)} })
		}}
	}
	halves := func(row string) string { return list(row[:8], "%02x", " ") + "  " + list(row[8:], "%02x", " ") }
	return []Shape{
		viewed("od -An -tx1", "", func(s string) string { return list(s[:16], " %02x", "") + "\n" + list(s[16:], " %02x", "") }, "\n"),
		viewed("od -An -x", "", func(s string) string { return words(s, 2, "%04x") }, "\n"),
		viewed("od -c", "  ", listing("%c", "   "), "\n"),
		viewed("od -An -tu1", "", listing("%4d", ""), "\n"),
		dump("od", "%07o", func(row string) string { return words(row, 2, "%06o") }),
		dump("od -b", "%07o", listing(" %03o", "")),
		dump("od -x", "%07o", func(row string) string { return words(row, 2, "%04x") }),
		dump("od -tx4", "%07o", func(row string) string { return words(row, 4, "%08x") }),
		{Name: "od -tx8", Lane: redact.Fragments, Print: func(c Canaries) string {
			return rows(c.Token, "%07o", func(row string) []string { return []string{words(row[:8], 8, "%016x"), words(row[8:], 8, "%016x")} })
		}},
		dump("od -a", "%07o", listing("   %c", "")),
		dump("hexdump", "%07x", func(row string) string { return words(row, 2, "%04x") }),
		{Name: "od of more than the token", Lane: redact.Fragments, Print: func(c Canaries) string {
			return "0000000" + words("K=", 2, "%06o") + "\x03" + markView(words(c.Token[:14], 2, "%06o")) + "\n0000020" + markView(words(c.Token[14:30], 2, "%06o")) +
				"\n0000040" + words(c.Token[30:]+"\n\x00", 2, "%06o") + "\x04\n"
		}},
		{Name: "od -tx4 of more than the token", Lane: redact.Fragments, Print: func(c Canaries) string {
			return "0000000\x03" + words("PW="+c.Token[:1], 4, "%08x") + markView(words(c.Token[1:13], 4, "%08x")) + "\n0000020" +
				markView(words(c.Token[13:29], 4, "%08x")) + "\n0000040" + words(c.Token[29:]+"\n", 4, "%08x") + "\x04\n"
		}},
		{Name: "od -An -x of more than the token", Print: func(c Canaries) string {
			return "\x03" + words("K"+c.Token[:1], 2, "%04x") + markView(words(c.Token[1:31], 2, "%04x")) + words(c.Token[31:]+"\n", 2, "%04x") + "\x04\n"
		}},
		{Name: "hexdump -C", Lane: redact.Fragments, Print: func(c Canaries) string {
			return rows(c.Token, "%08x  ", func(row string) []string { return []string{halves(row), "  |" + row + "|"} })
		}},
		{Name: "xxd", Lane: redact.Fragments, Print: func(c Canaries) string {
			return rows(c.Token, "%08x: ", func(row string) []string { return []string{wrap(hex.EncodeToString([]byte(row)), 4, " "), "  " + row} })
		}},
		{Name: "xxd -e", Lane: redact.Fragments, Print: func(c Canaries) string {
			return rows(c.Token, "%08x:", func(row string) []string { return []string{words(row, 4, "%08x"), "  " + row} })
		}},
		tail("xxd of forty characters", func(s string) string {
			return "00000020: " + wrap(hex.EncodeToString([]byte(s)), 4, " ") + "                      " + s
		}),
		tail("hexdump -C of forty characters", func(s string) string { return "00000020  " + list(s, "%02x", " ") + "                           |" + s }),
		tail("xxd of forty characters and a newline", func(s string) string {
			return "00000020: " + wrap(hex.EncodeToString([]byte(s+"\n")), 4, " ") + "                   " + s
		}),
		tail("od -c of forty characters and a newline", func(s string) string { return "0000040" + list(s, "   %c", "") + "  \\n\n0000051" }),
		{Name: "hexdump of a key", Lane: redact.Fragments, Print: func(c Canaries) string {
			var b strings.Builder
			for i := 0; i+16 <= len(c.Key)-40; i += 16 { // the armour says nothing
				s := words(c.Key[i:i+16], 2, "%04x")
				if i >= 48 {
					s = markView(s)
				}
				fmt.Fprintf(&b, "%07x%s\n", i, s)
			}
			return "\x03" + b.String() + "\x04"
		}},
	}
}

package redact

import "bytes"

// solid is how long the first piece of a match must be if it starts inside a
// word: the end of a line of text would be held back otherwise, for want of a
// next one that makes a match of its last letter.
const solid = 4

// opens reports whether a match may start at text[i], which is decided by the
// bytes around it in the stream:
//
//   - Where its first piece is solid, or it is not known yet whether it is.
//   - Else not inside a word, nor behind a sign that joins it to one: v1.2.
//   - Nor at the end of a label or a prompt: "Name: ", "bash-5.2# ", "[Y/n] ". But
//     a piece behind a label is none itself: a value that is written as a row of
//     labels is found from its second piece on.
//   - Nor where a sign joins it to another short piece and does not come again
//     behind that: y/n is a choice, 3.c.7 may be a value.
func (v *view) opens(i int) bool {
	if v.text[i] == rift { // a filter may ask for it by chance
		return false
	}
	at := v.origin(i)
	end := v.pieceEnd(at)
	if end-at >= solid || end == len(v.win) {
		return true
	}
	last := v.before(at)
	return !v.inside(i, at) && !joins(last[len(last)-1]) && (!labels(end-at, v.win[end:]) || last.label()) && !v.paired(end)
}

// pieceEnd returns where the piece that begins at win[at] ends, or that it is
// solid.
func (v *view) pieceEnd(at int) int {
	end := at
	for end < min(len(v.win), at+solid) && !left(v.win[end]) {
		end++
	}
	return end
}

// inside reports whether text[i], which is win[at], goes on with a word.
func (v *view) inside(i, at int) bool {
	if at == 0 {
		return v.edge.joins >= 0
	}
	return i > 0 && v.text[i-1] != rift && v.origin(i-1) == at-1
}

// paired reports whether a short piece that ends before win[end] is known to be
// joined to the next one by a sign that does not come again behind that.
func (v *view) paired(end int) bool {
	sep := v.win[end]
	if !pairs(sep) {
		return false
	}
	next := end
	for next < len(v.win) && left(v.win[next]) {
		next++
	}
	stop := v.pieceEnd(next)
	return stop < len(v.win) && stop-next < solid && v.win[stop] != sep
}

// A trail is the bytes before a place in the stream.
type trail [5]byte

// before returns the bytes before win[at].
func (v *view) before(at int) trail {
	t := v.edge.last
	for _, c := range v.win[max(0, at-len(t)):at] {
		copy(t[:], t[1:])
		t[len(t)-1] = c
	}
	return t
}

// label reports whether a label ends before the place, with up to three signs
// that open what comes.
func (t trail) label() bool {
	for i := len(t) - 1; i > 0; i-- {
		if t[i] == ' ' {
			return labelSign(t[i-1])
		}
		if !punctuation(t[i]) {
			return false
		}
	}
	return false
}

// labels reports whether rest makes a label of what is before it: up to four
// signs, of which the last says so, and a space, as in "Name: ", "db:/# ",
// "12:30 $ " and "[Y/n]? "; or whether it is the prompt of the next line, as
// behind the 8 of an interpreter's "8\r\n>>> ". A lone > may be that of quoted
// mail, and is a prompt behind a piece of one character alone. piece is how long
// the one before rest is.
func labels(piece int, rest []byte) bool {
	if line := bytes.TrimLeft(rest, "\r\n"); len(line) < len(rest) {
		if rest = line; piece > 1 && bytes.HasPrefix(rest, []byte("> ")) {
			return false
		}
	} else if len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	for i := 0; i+1 < min(len(rest), 5) && punctuation(rest[i]); i++ {
		if rest[i+1] == ' ' {
			return labelSign(rest[i])
		}
	}
	return false
}

func labelSign(c byte) bool {
	switch c {
	case ':', '#', '$', '%', '>', ')', ']', '}', '?':
		return true
	}
	return false
}

func punctuation(c byte) bool { return ' ' < c && c < 0x7f && left(c) }

// joins reports whether what follows c goes on with what is before it.
func joins(c byte) bool {
	switch c {
	case '.', '/', '_', '+', '*':
		return true
	}
	return c >= 0x80
}

// pairs reports whether c stands between two pieces of text that are no list.
func pairs(c byte) bool {
	switch c {
	case '(', '<', '[', '{', '\\', '!', '"', '#', '$', '%', '&', '\'':
		return false
	}
	return c > ' '
}

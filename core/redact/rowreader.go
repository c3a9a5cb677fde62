package redact

// maxRow is how long a row may be. What is behind that is not read.
const maxRow = 512

// A row in which a match may start has so many words, or letters and digits.
const (
	fullWords = 8
	fullRow   = 16
)

// maxLead is how many blanks and signs may stand before an offset.
const maxLead = 8

// Where in a line the reader is.
const (
	rowLead   = iota // before the offset
	rowOffset        // in it
	rowData
	rowColumn // in the column of characters
	rowNone   // in a line that is no row
)

// A rowReader reads lines byte by byte, for what the view of rows needs to know of
// them. The zero reader is at the start of a line, behind none of a dump.
type rowReader struct {
	mode   uint8
	size   int  // bytes read
	digits int  // of the offset
	marked bool // it has 0x before it
	colon  bool // and a colon behind it
	words  int  // of the data that are done
	word   int  // characters of the word that has begun
	first  int  // characters of the first word
	zero   bool // it is 0 and may become 0x
	text   bool // it is no number
	other  bool // the data has something else than pairs of hex digits
	blanks int  // before the next word
	kept   int  // letters and digits of the data
	before int  // the size of the row on the line before, if the dump may go on
}

// take reads a byte and reports whether it is data.
func (r *rowReader) take(c byte) bool {
	if c == '\n' {
		*r = rowReader{before: r.next()}
		return false
	}
	if r.size++; r.size > maxRow {
		r.mode = rowNone
	}
	switch r.mode {
	case rowLead:
		r.lead(c)
	case rowOffset:
		r.offset(c)
	case rowData:
		return r.data(c)
	}
	return false
}

// next returns the size of the row that ends, or 0 if it is the last of its dump.
func (r *rowReader) next() int {
	if r.inRow() && r.kept > 0 && r.size >= r.before {
		return r.size
	}
	return 0
}

// inRow reports whether the offset is read.
func (r *rowReader) inRow() bool { return r.mode == rowData || r.mode == rowColumn }

func (r *rowReader) lead(c byte) {
	switch {
	case c == '0':
		r.mode, r.digits = rowOffset, 1
	case r.size > maxLead || !leads(c):
		r.mode = rowNone
	}
}

// leads reports whether c may stand before the offset of a row.
func leads(c byte) bool { return begins[c] && c != '0' }

// begins are the bytes that a row may begin with.
var begins = func() (t [256]bool) {
	for _, c := range []byte("0 \t|>#+-*") {
		t[c] = true
	}
	return t
}()

func (r *rowReader) offset(c byte) {
	switch {
	case hexDigit(c) && r.digits < 16:
		r.digits++
	case c == 'x' && r.digits == 1 && !r.marked:
		r.digits, r.marked = 0, true
	case r.digits >= 4 && (c == ':' || blank(c)):
		r.mode, r.colon = rowData, c == ':'
	default:
		r.mode = rowNone
	}
}

func (r *rowReader) data(c byte) bool {
	if blank(c) {
		if r.word > 0 {
			r.end()
		}
		r.blanks++
		return false
	}
	if r.word == 0 && r.column(c) {
		r.mode = rowColumn
		return false
	}
	r.other = r.other || !hexDigit(c) || r.word == 0 && r.words == 1 && r.blanks > 1
	r.blanks = 0
	r.word++
	r.text = r.text || !hexDigit(c) && !(c == 'x' && r.zero)
	r.zero = r.word == 1 && c == '0'
	if r.text && r.word > 3 {
		r.mode = rowNone
		return false
	}
	if left(c) {
		return false
	}
	r.kept++
	return true
}

// end ends a word.
func (r *rowReader) end() {
	if r.words == 0 {
		r.first = r.word
	}
	r.other = r.other || r.word != 2
	r.words++
	r.word, r.text, r.zero = 0, false, false
}

// column reports whether c, which begins a word, begins the column of characters:
// xxd puts two blanks before it and a colon behind the offset; hexdump -C and od
// -tx1z put | and > before it; others write pairs of digits and three blanks, or
// two that are not in the middle of a row; curl writes one behind sixteen pairs.
// Where the first two numbers have more between them all have.
func (r *rowReader) column(c byte) bool {
	switch {
	case r.words == 0:
		return false
	case r.blanks >= 2 && (r.colon || r.first > 1 && (c == '|' || c == '>')):
		return true
	case r.other || r.words == 1:
		return false
	}
	return r.blanks >= 3 || r.blanks == 2 && r.words != 8 || r.words == 16 && r.colon && r.digits == 4
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func hexDigit(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|small && c|small <= 'f' }

// full reports whether a match may start in the row, so far.
func (r *rowReader) full() bool {
	words := r.words
	if r.word > 0 {
		words++
	}
	return words >= fullWords || r.kept >= fullRow
}

// none reports whether c, the next byte, shows that the line is no row.
func (r *rowReader) none(c byte) bool {
	return r.mode == rowNone || r.mode == rowLead && r.size == 0 && !begins[c]
}

package encode

import (
	"bytes"
	"hash/maphash"
	"slices"
)

// The shortest forms. A value of 4 to 7 bytes is matched as a whole word; any
// other form is longer.
const (
	minWord = 4
	minForm = 8
	maxKey  = 256      // longer values are documents
	maxDoc  = 16 << 10 // longer ones are archives, of which few forms are made
	minHex  = 6        // a shorter value has no hex: that of four digits turns up in any dump
)

// A Form is one spelling of a value as some program prints it.
type Form struct {
	// Kind names the spelling: "exact", "line", "base64", "hex", "json" ...
	Kind string
	// Bytes is what to look for. It is shared with other forms: read only.
	Bytes []byte
	// Word asks for a match of whole words only. Such a form spells 4 to 7 bytes.
	Word bool
	// Dense marks a form whose fragments are worth looking for: every byte of
	// it says something about the value, in order and at a fixed rate.
	Dense bool

	src      *Source
	from, to int     // the bytes of src that Bytes spells
	at       []int32 // where each byte of Bytes stands in them; nil: at a fixed rate
	reverse  bool    // from the last to the first
	covered  bool    // see Covered
	step     int     // fragments begin at multiples of it; 0 is 1
}

// A Source is a value of which forms are made. It keeps the value, not a copy.
type Source struct {
	value []byte // as it is stored
	text  []byte // without the white space around it
	info  []uint32
	forms []Form
	arena []byte

	index   map[uint64][]int // of forms, by the hash of their bytes
	seed    maphash.Seed
	indexed int // how many forms are in the index

	least  int    // bytes of a form, if not minForm
	words  bool   // the forms are words
	judged int    // what solid returned: 1 or -1
	back   uint32 // what backBits returned
	turned bool   // and that it did

	held  [][]byte // what parts returned
	taken bool     // and that it did
}

// New returns a Source of value, which must not change as long as the Source
// or one of its forms is in use.
func New(value []byte) *Source {
	return &Source{value: value, text: bytes.TrimSpace(value)}
}

// Exact returns the forms of the exact lane: the value, and what is left of it
// when a program trims it, prints one of its lines or changes its line ends.
func Exact(value []byte) []Form { return New(value).Exact() }

// Encoded returns the forms of the encoded lane, without those of Exact.
func Encoded(value []byte) []Form { return New(value).Encoded() }

// Squeezed returns the forms to look for in the squeezed view of a stream.
func Squeezed(value []byte) []Form { return New(value).Squeezed() }

// begin starts a list of forms.
func (s *Source) begin(forms, size int) {
	s.forms = make([]Form, 0, forms)
	s.index, s.indexed = nil, 0
	s.arena = make([]byte, 0, size)
}

// end returns the list and lets go of it.
func (s *Source) end() []Form {
	forms := s.forms
	s.forms, s.arena = nil, nil
	return forms
}

// add appends a form of src[from:to] unless the list holds the same bytes, or
// they are too few to look for.
func (s *Source) add(f Form) {
	least := max(minForm, s.least)
	if f.Word {
		least = minWord
	}
	if len(f.Bytes) < least || len(s.text) < minWord || s.has(f.Bytes) {
		return
	}
	f.src = s
	f.Dense = f.Dense && (len(s.text) <= maxKey || len(s.text) <= maxDoc && everyday(f.Kind) || f.Kind == "exact")
	s.forms = append(s.forms, f)
}

// everyday reports whether the fragments of a form are looked for in documents
// too, whose forms are long, and which have their lines to be known by.
func everyday(kind string) bool {
	switch kind {
	case "exact", "base64", "base64url", "hex", "reversed", "uuencode", "hex-words", "octal-words", "decimal-list":
		return true
	}
	return false
}

// has reports whether the list holds a form of these bytes. A list of many, the
// lines of a document, is asked by hash.
func (s *Source) has(p []byte) bool {
	const many = 128
	if len(s.forms) < many {
		for i := range s.forms {
			if bytes.Equal(s.forms[i].Bytes, p) {
				return true
			}
		}
		return false
	}
	if s.index == nil {
		s.index = map[uint64][]int{}
		s.seed = maphash.MakeSeed()
	}
	for ; s.indexed < len(s.forms); s.indexed++ {
		h := maphash.Bytes(s.seed, s.forms[s.indexed].Bytes)
		s.index[h] = append(s.index[h], s.indexed)
	}
	return slices.ContainsFunc(s.index[maphash.Bytes(s.seed, p)], func(i int) bool { return bytes.Equal(s.forms[i].Bytes, p) })
}

// offset is where p, a part of the value, starts in it.
func (s *Source) offset(p []byte) int { return cap(s.value) - cap(p) }

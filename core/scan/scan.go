// Package scan is the vocabulary of pattern scanners: what a scanner declares
// (Rule), what it is asked (Scanner.Check) and what it answers (Span). A scanner
// is pure and immutable; the engine in core/rule owns keywords, windows,
// hold-back, swallowing and order.
package scan

// Limits that the engine refuses to exceed, in bytes.
const (
	MaxWindow  = 64 << 10 // Before + the keyword + Need, and Max
	MaxID      = 64       // of Rule.ID, a slug
	MaxBehind  = 256      // of Rule.Behind
	MaxFollow  = 4 << 10  // bytes that Follow may ask to hold
	MinLiteral = 3        // the shortest keyword
)

// A Tier is the lowest level at which a rule is on.
type Tier uint8

// The levels, each including the ones before it. Known masks vault values only.
const (
	Known Tier = iota
	Precise
	Balanced
	Strict
)

// A Rule declares when a scanner wants to be asked and how much it needs to see.
type Rule struct {
	ID       string   // slug, shown in the marker [REDACTED:ID]
	Keywords []string // literals; one of them is in every finding, or shortly before it
	Fold     bool     // keywords match without regard to ASCII case
	After    bool     // findings start after the keyword, so it passes without being held
	Behind   int      // bytes before the keyword that Check sees as context and never masks
	Before   int      // bytes before the keyword that Check sees and may mask; they are held back
	Need     int      // bytes after the keyword's start at which Check must decide
	Max      int      // length of an Open span at most; no less than Before+Need
	Tier     Tier     // lowest level at which the rule is on
	Plain    bool     // findings are not learned as needles for the rest of the stream
	Sweep    bool     // an answer finds all that begins in what it took: keywords there are not asked about (see Reader)
	Mark     bool     // it only marks what spans of the scanner's other rules name: no keywords, and spaces in the ID are fine

	// Lead says how many of the last bytes of b could belong to a finding whose
	// keyword comes next, Before at most; no others are held, and a span never
	// starts before them. It may not take back with a longer b what it gave up.
	// Nil means Before.
	Lead func(b []byte) int

	// Swallow and Follow carry an Open span on; one of them is enough. Swallow
	// goes byte by byte, while it says so. Follow gets the bytes after the span
	// and takes n of them: none and more false ends the span, more holds the
	// rest until there are MaxFollow bytes or the end. It starts with state 0.
	Swallow func(b byte) bool
	Follow  func(state uint32, b []byte, final bool) (n int, next uint32, more bool)
}

// A Span is a range of the window to mask.
type Span struct {
	Start, End int    // within the window
	Rule       int    // index into Rules()
	Open       bool   // mask on after End as the rule's Swallow or Follow says, up to its Max
	Label      string // what a check said of it ("checksum ok"), for the audit; it never gates
}

// A Scanner finds secrets by shape. Its methods are pure and safe for
// concurrent use; they keep neither window nor spans.
type Scanner interface {
	// Rules returns the declarations, the same slice at each call.
	Rules() []Rule
	// Check looks at a window in which a keyword of the rule starts at offset at.
	// more asks to be called again with a longer window; it is never true when
	// final (no more input will come) or when Need bytes are there. With more,
	// a span tells from where on bytes must wait; without one all from the
	// start of what may be masked do.
	Check(rule int, window []byte, at int, final bool) (spans []Span, more bool)
}

// A Reader is a Scanner that also says how much of a window its answer took. The
// engine keeps accounts of what a rule reads more than once, and stops asking a
// rule whose keywords crowd each other; a scanner that does not say is taken to
// have read all that the rule has need of.
type Reader interface {
	Scanner
	// Read answers as Check does. read is an offset in the window: no byte from
	// there on had a part in the answer. It is the same however long the window
	// is, once there is an answer, and means nothing with more.
	Read(rule int, window []byte, at int, final bool) (spans []Span, more bool, read int)
}

// Package scan is the vocabulary of pattern scanners: what a scanner declares
// (Rule), what it is asked (Scanner.Check) and what it answers (Span). A scanner
// is pure and immutable; the engine in core/rule owns keywords, windows,
// hold-back, swallowing and order.
package scan

// Limits that the engine refuses to exceed, in bytes.
const (
	MaxWindow  = 64 << 10 // Before + the keyword + Need, and Max
	MaxID      = 64       // of Rule.ID, a slug
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
	ID       string            // slug, shown in the marker [REDACTED:ID]
	Keywords []string          // literals; one of them is in every finding, or shortly before it
	Fold     bool              // keywords match without regard to ASCII case
	Before   int               // bytes before the keyword that Check sees; they are held back for ever
	Need     int               // bytes after the keyword's start at which Check must decide
	Max      int               // bytes that an Open span may swallow at most
	Tier     Tier              // lowest level at which the rule is on
	Swallow  func(b byte) bool // an Open span goes on while it says so
}

// A Span is a range of the window to mask.
type Span struct {
	Start, End int  // within the window
	Rule       int  // index into Rules()
	Open       bool // mask on after End while the rule's Swallow says so, up to its Max
}

// A Scanner finds secrets by shape. Its methods are pure and safe for
// concurrent use; they keep neither window nor spans.
type Scanner interface {
	// Rules returns the declarations, the same slice at each call.
	Rules() []Rule
	// Check looks at a window in which a keyword of the rule starts at offset at.
	// more asks to be called again with a longer window; it is never true when
	// final (no more input will come) or when Need bytes are there.
	Check(rule int, window []byte, at int, final bool) (spans []Span, more bool)
}

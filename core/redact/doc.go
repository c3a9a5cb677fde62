// Package redact masks secrets in a stream.
//
// # What it promises
//
//   - Every byte of every occurrence of every needle is masked, however the
//     stream is cut into writes. Occurrences that overlap or touch are one range.
//   - The output is a function of the bytes alone. A range is replaced once, where
//     it starts, by [REDACTED:NAME], and the rest of it swallowed.
//   - What is held back is the longest suffix that may still become an
//     occurrence, and nothing else. There are no timers.
//   - Memory does not grow with the stream.
//   - What is not masked is passed on unchanged. A sink that fails is reported,
//     then and at each later call.
//
// # Lanes
//
// A lane is a meaning of "occurrence". Each has a naive oracle in the tests, and
// the Writer's output, ranges and held bytes equal the oracle's at every cut.
//
//   - Exact: the stream holds a form of the value that is the value itself, a
//     line or a part of it. Forms of 4 to 7 bytes count as whole words only: no
//     ASCII letter or digit on either side. That looks one byte ahead.
//   - Encoded: it holds the value as some program encodes it.
//   - Fragments: it holds a window, a run of MinFragment bytes or more, of a form
//     of a value that is hard to guess. Package encode says how long the windows
//     of a form are and which of them say enough. The mask covers every window
//     that is there, so all of a longer piece, and nothing beside it. No window
//     begins with white space.
//   - Squeezed: a form or a window stands in the squeezed view: the letters and
//     digits of the stream, capitals as small letters, without the escape
//     sequences of a terminal. Windows are a third longer than in the stream, and
//     count as fragments: what is guessed in capitals or with spaces is a guess.
//     The mask goes from the first byte to the last, with what stands between. No
//     more than 256 bytes may be left out between two bytes that belong together.
//     An occurrence starts where its first piece, up to the first byte that is left
//     out, has 4 bytes; a shorter one must be a word of its own, and neither the end
//     of a label or prompt nor one of two that a sign joins, as in y/n. Without this
//     rule the last letter of each line would be held back, for the next line might
//     go on with a secret. The rule in full is at opens, in start.go.
//
// The lane has a second view, of the rows of dumps: the same of their data alone,
// without offsets and the column of characters. A match there may start anywhere in a
// row that is no numbered line of text. The column of a row in which one ends is
// masked as a range of its own. The definition is in rows.go.
//
// A range is named by what starts it: a whole form before a window, the longest
// form, then the first lane, then the first needle; windows of the stream come
// before those of its view.
//
// # How it is made
//
// Package encode spells the values, package match finds the spellings, and this
// package merges what is found, by offset, and writes. A Set is compiled once and
// shared; a Writer is one stream. A long block is searched where the caller has
// it, in place. Only what is held back is copied.
//
// # What it cannot do
//
// Masking answers whether two strings are equal. A program that prints guesses
// reads the answers from the markers: a PIN from ten thousand lines, the next
// byte of a key from the fragment lane. The counts say so afterwards
// (TestGuessPIN, TestGuessByFragments); whoever grants the secret must limit them.
package redact

// Package encode spells a value the way programs print it.
//
// A program that holds a secret seldom prints it as it is: it prints the JSON
// that holds it, the URL, the Basic header, the dump. Package encode lists
// those spellings, so that a matcher can look for each. It knows nothing of
// streams and of matching.
//
// # The lanes
//
// [Exact] is what a program prints that took the value as it came: the value,
// without the white space around it, line by line, with other line ends; and
// the parts that a program takes it apart into, such as the password of a URL.
//
// [Encoded] is what an encoder makes of it, as it stands in the stream. Encodings
// that work on groups of bytes (base64, base32) come at each alignment and without
// the characters that depend on the neighbours, so that the form stands in
// base64("user:" + value) too; and closed, as they stand at the end of the encoded
// text, where the last character is known: there nothing of the value is left over.
// Escapes come in the dialects of the languages and libraries in use, where they
// differ.
//
// [Squeezed] is what a value is in a view of the stream that keeps letters and
// digits alone and does not tell capitals from small ones (see [Squeeze]). In that
// view many spellings are one: whatever stands between the characters is gone, and
// so is the difference between %73, =73, 73: and 7 3. Hence this lane has the
// spellings that write something for each byte, and those that are seldom: dumps
// and lists of numbers, binary digits, calls that make characters of numbers, the
// little-endian words of od and hexdump, the value as one number, encodings of
// encodings, the value and its encodings backwards, other alphabets, other cases.
//
// No form masks ordinary text. Those of a value under eight bytes match whole
// words only. The value itself in other cases, backwards and squeezed is looked
// for if it says at least 30 bits by the measure below; of one that says less, the
// view has only encodings of at least 12 characters.
//
// # Which fragments are specific
//
// [Form.Specific] answers for each run of n bytes of a form whether it is
// masked where it stands alone. The measure is what the run says about the
// value, so that it is the same for the base64 of a word and for the word:
//
//   - A digit says log2(10) bits, a letter log2(26), a sign 3, a slash 2,
//     white space 1.
//   - A byte in a run of eight or more (aaaaaaaa, 12345678) says 1.
//   - A word of the dictionary says 5 bits altogether, one of four letters 7. A
//     word of four or five letters counts only where a run of letters in one
//     case is nothing but words and their endings; a longer one anywhere. One of
//     up to three letters between two spaces says 1 bit for each.
//   - Nothing is said by what a value shows openly: the scheme and the host of a
//     URL, its user and its path as well if it has a password; a host name; the
//     header of a JWT; the armour of PEM and what the DER of each key starts
//     with; the names in a JSON document; a date; in a value of several lines those
//     of mere structure, and settings that say little.
//
// A run is specific if it spells at least 6 bytes of the value, and those say
// 2.125 bits each on average. A random value of letters, of digits or of both
// passes in every run of 12 of its own bytes, of its base64, its base32 and its
// hex, whatever the values of chance; a path, a sentence and a JSON skeleton do
// not. Sparser forms spell 6 bytes in longer runs: [Form.Window] says how long.
//
// Only dense forms have fragments: those that write up to three bytes for one of
// the value. Of the others (\u0073, x73) a piece is found if the view makes hex or
// decimal numbers of it. What prints a form in groups prints them whole: its
// fragments begin with a group. Documents, longer than 256 bytes, have the
// fragments of their everyday forms, and archives, above 16 KiB, few forms.
//
// # Out of reach
//
// What no list of spellings can hold: compression, encryption, hashes, one number
// of the value and more, arithmetic on the bytes, a value in short pieces with other
// text between them, spellings of a few characters only in a
// dialect that no library has (half of the letters escaped), \U00000073, and two
// encodings on top of each other but for those that are in daily use.
package encode

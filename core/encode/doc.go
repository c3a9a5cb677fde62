// Package encode spells a value the way programs print it.
//
// A program that holds a secret seldom prints it as it is: it prints the JSON
// that holds it, the URL, the Basic header, the dump. Package encode lists
// those spellings, so that a matcher can look for each. It knows nothing of
// streams and of matching.
package encode

// Package rule runs pattern scanners over a stream. It finds their keywords with
// an automaton of its own, shows each scanner a window around its keyword, and
// answers with the ranges to mask and with how far the stream is decided. It
// holds no more than an undecided window, decides as early as the scanner can,
// swallows the rest of a finding unbuffered, and never writes.
//
// Its answer is a function of the bytes alone: the same stream cut anywhere
// gives the same ranges.
package rule

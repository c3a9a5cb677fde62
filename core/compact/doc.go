// Package compact leaves bytes of a set out of a text: the squeezed view of a
// stream is what remains of it without its separators.
//
// It is the one place of the engine with assembly. Byte by byte a processor
// cannot do better than a byte and a half a nanosecond, since where a byte goes
// depends on all before it, and this copy was half of what all lanes cost
// together. With AVX2 it goes at ten times that: a block is classified at once,
// and eight bytes are moved by one shuffle that a table names. The portable way
// is the specification, and is what other processors take.
package compact

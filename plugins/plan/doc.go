// Package plan works out what an import would do: which entry of another
// system becomes which secret, and how that stands beside what the vault holds.
// It reads no service and writes no vault; whoever imports does both.
//
//	mapping.go   an entry's name becomes a NAME
//	flatten.go   a JSON object becomes several secrets
//	plan.go      rows, and what is to be done with each
//	file.go      a plan on disk, bound to the vault it was made with
//	table.go     a plan for people
package plan

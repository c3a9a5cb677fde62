// Package agent is what a program says to ov-agent, which alone holds the keys
// of the vault. A Client speaks to the long-lived agent that `ov unlock`
// started, or to a one-shot child over an inherited socket pair: one protocol,
// one code path.
//
// There is no request that lists values or that gives out a key. Values leave
// the agent for a declared and audited Grant only. Passwords pass through no
// client: it hands the agent a descriptor to read them from.
package agent

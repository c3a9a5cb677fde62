// Package seal turns a password into keys and keys into envelopes.
package seal

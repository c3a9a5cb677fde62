// Package faults runs the real programs, ov, ov-agent and ov-server over SQLite
// or PostgreSQL, while something is wrong with what they stand on: a server that
// went back to an old backup, clocks that jump, networks that are slow, lossy or
// partitioned. It has no code but its tests.
package faults

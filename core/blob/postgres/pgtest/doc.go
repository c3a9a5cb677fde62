// Package pgtest runs a PostgreSQL of its own for tests: a new cluster in a
// temporary folder, on a unix socket, as a user that is not root, stopped by
// its process id; or a pair of them, a primary and its standby, on loopback. The
// programs are the machine's.
package pgtest

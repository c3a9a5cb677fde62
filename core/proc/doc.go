// Package proc starts a child process that behaves as if nothing stood between it and the person or program that asked for
// it: pipes or a pseudo-terminal, job control, signals, process groups, exit status.
//
// It holds no secrets and knows of none: environment strings, descriptors and files are given to it, and what the child
// prints is handed out as two readers. Whoever calls it masks what they read.
package proc

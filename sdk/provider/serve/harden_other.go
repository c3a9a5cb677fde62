//go:build !unix

package serve

func harden() {}

package main

import (
	"testing"

	"github.com/opaquevault/ov/sdk/provider"
)

// TestCalls: numbers where they are known, and no words where they are not.
func TestCalls(t *testing.T) {
	m := &maker{account: provider.Account{Cost: provider.Cost{SignIn: 1, List: 100, Read: 20}}, seen: 1000, reads: 1000}
	if got, want := m.calls(), "61 calls of the service: 1 to sign in, 10 to list 1000, 50 to read 1000; more where one was tried again"; got != want {
		t.Errorf("%q", got)
	}
	m.account.Cost.List = 0
	if got := m.calls(); got != "" {
		t.Errorf("%q, of a provider that does not know", got)
	}
}

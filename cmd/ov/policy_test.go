package main

import (
	"encoding/json"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/opaquevault/ov/core/agent"
)

// approves runs ov approve with the id of the one request that a file lists.
func approves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: approves [--refuse] FILE")
	}
	var waiting []agent.Pending
	file := args[len(args)-1]
	if err := json.Unmarshal([]byte(ts.ReadFile(file)), &waiting); err != nil || len(waiting) != 1 {
		ts.Fatalf("%s lists %d requests: %v", file, len(waiting), err)
	}
	args = append([]string{"approve", waiting[0].ID}, args[:len(args)-1]...)
	ts.Check(ts.Exec("ov", args...))
}

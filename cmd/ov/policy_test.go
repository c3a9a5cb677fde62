package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

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

// insideAgent reports whether a coding agent runs these tests: what is for
// people alone is then refused.
func insideAgent() bool {
	for pid := os.Getpid(); pid > 1; {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		cmd, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, _, _ := strings.Cut(string(cmd), "\x00")
		if agent.Detect(strings.Split(string(env), "\x00")) != "" || strings.HasSuffix(name, "/claude") || name == "claude" {
			return true
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if err != nil || len(f) < 2 {
			return false
		}
		pid, _ = strconv.Atoi(f[1])
	}
	return false
}

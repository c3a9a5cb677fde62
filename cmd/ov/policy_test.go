package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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

// insideAgent returns the coding agent that runs these tests, or "": what is
// for people alone is then refused.
func insideAgent() string {
	for pid := os.Getpid(); pid > 1; {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		cmd, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		name, _, _ := strings.Cut(string(cmd), "\x00")
		if found := agent.Detect(strings.Split(string(env), "\x00")); found != "" {
			return found
		}
		if filepath.Base(name) == "claude" {
			return "claude"
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if err != nil || len(f) < 2 {
			return ""
		}
		pid, _ = strconv.Atoi(f[1])
	}
	return ""
}

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opaquevault/ov/core/agent"
)

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

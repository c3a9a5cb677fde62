// Package agenttest tells tests whether a coding agent runs them: what is for
// people alone is then refused, as it should be.
package agenttest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opaquevault/ov/core/agent"
)

// Around returns the name of the coding agent that this process or one of its
// parents runs in, or "". Where there is no /proc it looks at this process alone.
func Around() string {
	if found := agent.Detect(os.Environ()); found != "" {
		return found
	}
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
		if err != nil {
			return ""
		}
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(f) < 2 {
			return ""
		}
		pid, _ = strconv.Atoi(f[1])
	}
	return ""
}

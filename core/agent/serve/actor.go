package serve

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
)

// An Actor is who asks, as far as can be seen from here. None of it is proof:
// every process of a user can pretend to be any other one.
type Actor struct {
	UID, PID int
	Exe      string // of the client program
	Client   string // "cli", "mcp:claude-code"
	Agent    string // a coding agent that was noticed around it, or ""
}

// MCP reports whether the request comes on behalf of a coding agent's tools.
func (a Actor) MCP() bool {
	return strings.HasPrefix(a.Client, "mcp") || filepath.Base(a.Exe) == "ov-mcp"
}

// actorOf identifies the process at the other end of conn.
func actorOf(conn *net.UnixConn) (Actor, error) {
	uid, pid, err := agent.PeerOf(conn)
	if err != nil {
		return Actor{}, err
	}
	exe, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return Actor{UID: uid, PID: pid, Exe: exe}, nil
}

// meet adds what the client says about itself to what was seen.
func (a *Actor) meet(h wire.Hello) {
	a.Client = clean(h.Client)
	if a.Client == "" {
		a.Client = "unnamed"
	}
	if strings.HasPrefix(a.Client, "machine") {
		a.Client = "unproven:" + a.Client // a machine is who has its key, and nobody showed one
	}
	if !strings.HasPrefix(a.Client, "mcp:") && (a.Client != "cli" || filepath.Base(a.Exe) == "ov-mcp") {
		a.Client = "mcp:" + a.Client // what it is does not depend on what it says; what nobody knows is trusted least
	}
	a.Agent = clean(h.Agent)
}

// clean keeps what a client says about itself to a short word.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(":._- /", r):
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}

func (a Actor) audit(device string) audit.Actor {
	return audit.Actor{Device: device, UID: a.UID, PID: a.PID, Exe: a.Exe, Client: a.Client}
}

// maxAncestors ends a walk up the process tree that does not end by itself.
const maxAncestors = 64

// around returns the coding agent that a seems to work for, or "".
func (s *Server) around(a Actor) string {
	if s.c.Around != nil {
		return s.c.Around(a)
	}
	return a.codingAgent()
}

// codingAgent returns the coding agent that this actor seems to work for: by
// its own word, or by an ancestor's name or environment, which the commands an
// agent starts cannot change.
func (a Actor) codingAgent() string {
	if a.Agent != "" {
		return a.Agent
	}
	for pid, n := a.PID, 0; pid > 1 && n < maxAncestors; n++ {
		dir := "/proc/" + strconv.Itoa(pid)
		if env, err := os.ReadFile(dir + "/environ"); err == nil {
			if name := agent.Detect(strings.Split(string(env), "\x00")); name != "" {
				return name
			}
		}
		if argv, err := os.ReadFile(dir + "/cmdline"); err == nil {
			if name := agentProgram(argv); name != "" {
				return name
			}
		}
		pid = parent(dir)
	}
	return ""
}

// agentProgram recognises a coding agent by its command line: its own name, or
// that of the script that an interpreter runs.
func agentProgram(cmdline []byte) string {
	argv := bytes.Split(cmdline, []byte{0})
	for _, arg := range argv[:min(len(argv), 2)] {
		switch name := strings.TrimSuffix(filepath.Base(string(arg)), ".js"); name {
		case "claude", "codex", "gemini", "cursor-agent", "opencode", "aider", "cline", "copilot", "ov-mcp":
			return name
		}
	}
	return ""
}

// parent returns the parent of the process that dir describes, or 0. The name
// in the file may hold anything, so it is read from its last parenthesis.
func parent(dir string) int {
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return 0
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(f) < 2 {
		return 0
	}
	ppid, _ := strconv.Atoi(string(f[1]))
	return ppid
}

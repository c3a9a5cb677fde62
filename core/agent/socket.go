package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
)

// maxSocketPath is the longest path of a unix socket that every system takes.
const maxSocketPath = 103

// SocketPaths returns where the agent of home may listen, best first. Nothing
// but home and the uid goes into it, since clients scrub the environment.
func SocketPaths(home string) []string {
	if real, err := filepath.EvalSymlinks(home); err == nil {
		home = real
	}
	sum := sha256.Sum256([]byte(home))
	name := "agent-" + hex.EncodeToString(sum[:8]) + ".sock"
	var paths []string
	if base := "/run/user/" + strconv.Itoa(os.Getuid()); CheckFolder(base) == nil {
		paths = append(paths, filepath.Join(base, "ov", name))
	}
	if p := filepath.Join(home, "run", name); len(p) <= maxSocketPath {
		paths = append(paths, p)
	}
	return paths
}

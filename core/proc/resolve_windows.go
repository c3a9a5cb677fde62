package proc

import (
	"path/filepath"
	"strings"
)

func isPath(name string) bool { return strings.ContainsAny(name, `:\/`) }

func sameKey(a, b string) bool { return strings.EqualFold(a, b) }

func isNotDir(error) bool { return false }

// executable tries path as it stands when it has an extension, then with each extension of PATHEXT.
func executable(path string, env []string) (string, error) {
	if filepath.Ext(path) != "" {
		if _, err := statFile(path); err == nil {
			return path, nil
		}
	}
	exts := lookup(env, "PATHEXT")
	if exts == "" {
		exts = ".COM;.EXE;.BAT;.CMD"
	}
	for _, ext := range strings.Split(exts, ";") {
		if ext == "" {
			continue
		}
		if _, err := statFile(path + ext); err == nil {
			return path + ext, nil
		}
	}
	return "", ErrNotFound
}

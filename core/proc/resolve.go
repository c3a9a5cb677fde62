package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The two ways in which there is nothing to start. A shell reports them as 127 and 126.
var (
	ErrNotFound      = errors.New("not found")
	ErrNotExecutable = errors.New("not executable")
)

// Resolve finds the program that a child with this working directory and environment would run as name. A name with a
// slash is a path, relative to dir; any other is looked up in env's PATH. Entries of PATH that are not absolute are passed
// over: a program out of the current directory must not meet a secret because PATH ends in a colon.
func Resolve(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", fmt.Errorf("resolve %q: %w", name, ErrNotFound)
	}
	if isPath(name) {
		path := name
		if !filepath.IsAbs(path) {
			abs, err := filepath.Abs(filepath.Join(dir, path))
			if err != nil {
				return "", fmt.Errorf("resolve %q: %w", name, err)
			}
			path = abs
		}
		path, err := executable(path, env)
		if err != nil {
			return "", fmt.Errorf("resolve %q: %w", name, err)
		}
		return path, nil
	}
	found := ErrNotFound
	for _, d := range filepath.SplitList(lookup(env, "PATH")) {
		if !filepath.IsAbs(d) {
			continue
		}
		path, err := executable(filepath.Join(d, name), env)
		if err == nil {
			return path, nil
		}
		if errors.Is(err, ErrNotExecutable) {
			found = ErrNotExecutable
		}
	}
	return "", fmt.Errorf("resolve %q: %w", name, found)
}

// lookup is the value of the last setting of key: the one a child would see.
func lookup(env []string, key string) string {
	for i := len(env) - 1; i >= 0; i-- {
		if k, v, ok := strings.Cut(env[i], "="); ok && sameKey(k, key) {
			return v
		}
	}
	return ""
}

// statFile answers ErrNotFound for what is not there and ErrNotExecutable for what can never be run.
func statFile(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), isNotDir(err):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotExecutable, err)
	case info.IsDir():
		return nil, fmt.Errorf("%w: is a directory", ErrNotExecutable)
	}
	return info, nil
}

package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/secret"
)

// refFits holds app/environment/NAME against ref, part by part: no * crosses a
// slash.
func refFits(pattern string, ref secret.Ref) bool {
	p := strings.Split(pattern, "/")
	return len(p) == 3 && glob(p[0], ref.App) && glob(p[1], ref.Env) && glob(p[2], ref.Name)
}

// whoFits: "mcp" stands for every MCP client, "mcp:NAME" for one.
func whoFits(who, client string) bool {
	return who == client || !strings.Contains(who, ":") && strings.HasPrefix(client, who+":")
}

// dirFits: a pattern ends with /** when folders below count as well.
func dirFits(pattern, dir string) bool {
	if dir != path.Clean(dir) {
		return false
	}
	if top, ok := strings.CutSuffix(pattern, "/**"); ok {
		return dir == top || strings.HasPrefix(dir, top+"/")
	}
	return dir == path.Clean(pattern)
}

// argvFits holds the words of pattern against the arguments, one by one: a *
// never reaches into the next argument, and only a last ** stands for any
// number of them.
func argvFits(pattern string, args []string) bool {
	words := strings.Fields(pattern)
	for i, w := range words {
		if w == "**" && i == len(words)-1 {
			return true
		}
		if i >= len(args) || !glob(w, args[i]) {
			return false
		}
	}
	return len(words) == len(args)
}

// ownName reports whether argv0 is how the program is called: by its file's name
// or the beginning of that (python3 for python3.11), or by that of the path that
// was declared, as /bin/sh is a link to some shell. A program that is many by its
// name has to be called by its own.
func ownName(argv0, declared, program string) bool {
	file, name := path.Base(program), path.Base(argv0)
	if slices.Contains([]string{"busybox", "toybox", "coreutils"}, file) {
		return name == file
	}
	return argv0 != "" && name == path.Base(declared) || len(name) >= 2 && strings.HasPrefix(file, name)
}

// glob matches s against a pattern in which * stands for any text.
func glob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	s = s[len(head):]
	for {
		part, next, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], next
	}
}

// harmless reports whether a variable changes nothing about what a program does
// with a secret: where it sends it, what it runs, whom it trusts. A HOME that is
// none of the user's own holds other start-up files, proxies and hosts.
func harmless(name, value string, homes []string) bool {
	if strings.HasPrefix(name, "LC_") {
		return true
	}
	switch name {
	case "HOME":
		return slices.Contains(homes, value)
	case "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR",
		"PWD", "OLDPWD", "SHLVL", "_", "CI", "HOSTNAME":
		return true
	case "SHELL":
		return slices.Contains([]string{"/bin/sh", "/bin/bash", "/bin/zsh", "/usr/bin/bash", "/usr/bin/zsh", "/usr/bin/fish"}, value)
	case "PATH":
		for dir := range strings.SplitSeq(value, ":") {
			if !slices.Contains([]string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}, dir) {
				return false
			}
		}
		return true
	case "GIT_TERMINAL_PROMPT", "PAGER":
		return value == "0" || value == "cat"
	}
	return false
}

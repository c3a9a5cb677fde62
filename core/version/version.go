// Package version says which build a program is: one answer for all programs
// of ov, which must fit each other.
package version

import (
	"runtime"
	"runtime/debug"
)

// An Info is a build. In JSON these names stay.
type Info struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

// Get returns the build of the running program, as the Go toolchain noted it.
func Get() Info {
	v := Info{Version: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	build, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if build.Main.Version != "" {
		v.Version = build.Main.Version
	}
	for _, s := range build.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

// String returns one line.
func (v Info) String() string {
	s := v.Version
	if v.Commit != "" {
		s += " (" + v.Commit[:min(12, len(v.Commit))] + ")"
	}
	return s + " " + v.Go + " " + v.System
}

// Asked reports whether the arguments of a program ask for its version alone.
func Asked(args []string) bool { return len(args) == 1 && args[0] == "--version" }

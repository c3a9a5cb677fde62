package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionView is `ov version --json`: these names stay.
type versionView struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func version() versionView {
	v := versionView{Version: "unknown", Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func (c *cli) versionCmd() *cobra.Command {
	return c.jsonFlag(&cobra.Command{Use: "version", Short: "Print the version", Args: noArgs, RunE: func(*cobra.Command, []string) error {
		v := version()
		if c.json {
			return c.printJSON(v)
		}
		c.printf("ov %s %s %s\n", v.Version, v.Go, v.System)
		return nil
	}})
}

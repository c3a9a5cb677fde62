// Command sbom prints what Go programs were built from, as a CycloneDX 1.6
// document (https://cyclonedx.org/docs/1.6/json/), from the notes that the
// toolchain leaves in each of them.
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

type document struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl,omitempty"`
	Hashes  []hash `json:"hashes,omitempty"`
	// Programs that the module is linked into.
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(programs []string) error {
	if len(programs) == 0 {
		return fmt.Errorf("usage: sbom PROGRAM [PROGRAM]")
	}
	d := document{Format: "CycloneDX", Spec: "1.6", Version: 1}
	all := map[string]*component{}
	for _, path := range programs {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		d.Metadata.Component = component{Type: "application", Name: info.Main.Path, Version: info.Main.Version}
		std := &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
		for _, m := range append(info.Deps, std) {
			if m.Replace != nil {
				m = m.Replace
			}
			c := all[m.Path]
			if c == nil {
				c = moduleComponent(m)
				all[m.Path] = c
			}
			c.Properties = append(c.Properties, property{"linked-into", filepath.Base(path)})
		}
	}
	for _, c := range all {
		d.Components = append(d.Components, *c)
	}
	slices.SortFunc(d.Components, func(a, b component) int { return strings.Compare(a.Name, b.Name) })
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

// moduleComponent is a module with the hash that go.sum has of it: "h1:" is SHA-256
// in base64 over its files' hashes (golang.org/x/mod/sumdb/dirhash).
func moduleComponent(m *debug.Module) *component {
	c := &component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version}
	if sum, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
		if b, err := base64.StdEncoding.DecodeString(sum); err == nil {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(b)}}
		}
	}
	return c
}

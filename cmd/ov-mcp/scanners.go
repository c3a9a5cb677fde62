package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/builtin"
	"github.com/opaquevault/ov/scanners/rules"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// masking returns what to look for at a level: the vault's values, the built-in
// rules, the rule files, the installed modules. Of those only scanners.lock is
// read here.
func masking(home string, level scan.Tier) (redact.Options, error) {
	o := redact.Options{Lanes: redact.All, Scanners: builtin.All(), Level: level}
	dir := filepath.Join(home, "scanners")
	added, err := rules.Folder(dir).Scanners()
	if err != nil {
		return o, err
	}
	o.Scanners = append(o.Scanners, added...)
	store := &lock.Store{Dir: dir}
	all, err := store.Scanners(wasmhost.Options{Report: func(f wasmhost.Failure) {
		fmt.Fprintf(os.Stderr, "ov: scanner %s failed, and what it saw is masked: %v\n", f.Scanner, f.Cause)
	}})
	if err != nil {
		return o, err
	}
	for _, s := range all {
		if s.Manifest().Mode == manifest.Stream {
			return o, fmt.Errorf("scanner %q is of stream mode, which is for ov run and ov redact alone: remove it", s.Manifest().Name)
		}
		o.Scanners = append(o.Scanners, s)
	}
	return o, nil
}

package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
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
// read here. The locks are what the vault holds against what was recorded.
func masking(home string, level scan.Tier) (o redact.Options, locks agent.Locks, err error) {
	o = redact.Options{Lanes: redact.All, Scanners: builtin.All(), Level: level}
	dir := filepath.Join(home, "scanners")
	seen := func(digest *string) func([]byte) error {
		return func(lock []byte) error { *digest = agent.LockDigest(lock); return nil }
	}
	added, err := rules.Folder{Dir: dir, Attest: seen(&locks.Rules)}.Scanners()
	if err != nil {
		return o, locks, err
	}
	o.Scanners = append(o.Scanners, added...)
	report := wasmhost.Options{Report: func(f wasmhost.Failure) {
		fmt.Fprintf(os.Stderr, "ov: scanner %s failed, and what it saw is masked: %v\n", f.Scanner, f.Cause)
	}}
	store := &lock.Store{Dir: dir, Attest: seen(&locks.Modules)}
	all, err := store.Scanners(func(string) wasmhost.Options { return report })
	if err != nil {
		return o, locks, err
	}
	for _, s := range all {
		if s.Manifest().Mode == manifest.Stream {
			return o, locks, fmt.Errorf("scanner %q is of stream mode, which is for ov run and ov redact alone: remove it", s.Manifest().Name)
		}
		o.Scanners = append(o.Scanners, s)
	}
	return o, locks, nil
}

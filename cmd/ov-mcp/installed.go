package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/opaquevault/ov/cmd/ov-mcp/tools"
	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/rules"
	"github.com/opaquevault/ov/scanners/wasmhost/lock"
)

// installed is what a server that lives for days masks with: the scanners as they
// are installed now, not as they were at its start. Both locks are looked at for
// each call, and everything is read and verified again when one is another.
type installed struct {
	home  string
	level scan.Tier
	told  func(line string) // hears that something was read again

	mu  sync.Mutex
	now *tools.Masks
}

// newInstalled reads what is installed. What cannot be used keeps the server from
// starting.
func newInstalled(home string, level scan.Tier, told func(string)) (*installed, error) {
	i := &installed{home: home, level: level, told: told}
	_, err := i.masks()
	return i, err
}

// masks returns what to mask with. When the locks changed and what they name
// cannot be used, there is none: the one from before is not an answer, since
// something was installed that would mask more.
func (i *installed) masks() (*tools.Masks, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	found, err := i.locks()
	if err != nil {
		return nil, err
	}
	if i.now != nil && i.now.Locks == found {
		return i.now, nil
	}
	o, locks, err := masking(i.home, i.level)
	if err != nil {
		return nil, err
	}
	was := i.now
	if i.now, err = tools.NewMasks(o, locks); err != nil {
		i.now = was
		return nil, err
	}
	if was != nil {
		i.told(fmt.Sprintf("the installed scanners changed and were read again: %d sources of rules now, %d before", len(o.Scanners), len(was.Redact.Scanners)))
	}
	return i.now, nil
}

// locks are those of the files as they are now.
func (i *installed) locks() (l agent.Locks, err error) {
	for name, digest := range map[string]*string{lock.File: &l.Modules, rules.LockFile: &l.Rules} {
		content, err := os.ReadFile(filepath.Join(i.home, "scanners", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return l, fmt.Errorf("read which scanners are installed: %w", err)
		}
		if err == nil {
			*digest = agent.LockDigest(append([]byte{}, content...))
		}
	}
	return l, nil
}

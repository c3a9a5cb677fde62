package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/redact"
	"github.com/opaquevault/ov/core/scan"
	"github.com/opaquevault/ov/scanners/wasmhost"
	"github.com/opaquevault/ov/scanners/wasmhost/manifest"
)

// thirdParty adds the installed scanners to what masking looks for, and says on
// stderr when one of them fails. It returns those of stream mode apart.
func (c *cli) thirdParty(ctx context.Context, client *agent.Client, home string, o *redact.Options, ledger *ledger) ([]*wasmhost.Scanner, error) {
	if o.Level == scan.Known {
		return nil, nil
	}
	store := c.scannerStore(home)
	store.Vouched = true // no value comes, and no output, before the gate has compared the lock file
	installed, err := store.List()
	if err != nil {
		return nil, hinted{err, `"ov scanner verify" says more; masking does not start without the scanners`}
	}
	if len(installed) == 0 {
		return nil, nil
	}
	loosened, err := client.Loosened(ctx)
	if err != nil {
		return nil, err
	}
	open := loosened.FailOpen
	all, err := store.Scanners(func(name string) wasmhost.Options {
		return wasmhost.Options{Report: c.scannerFailures(ledger), FailOpen: slices.Contains(open, name)}
	})
	if err != nil {
		return nil, hinted{err, `"ov scanner verify" says more; masking does not start without the scanners`}
	}
	var flows []*wasmhost.Scanner
	for _, s := range all {
		if slices.Contains(open, s.Manifest().Name) {
			c.say("scanner %s fails open, by the policy: what it fails on is not masked", s.Manifest().Name)
		}
		if s.Manifest().Mode == manifest.Stream {
			flows = append(flows, s)
		} else {
			o.Scanners = append(o.Scanners, s)
		}
	}
	return flows, nil
}

// A ledger counts what was not masked, for the audit record.
type ledger struct {
	mu     sync.Mutex
	passed map[string]int64 // by rule
}

func (l *ledger) add(rule string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passed == nil {
		l.passed = map[string]int64{}
	}
	l.passed[rule]++
}

// counts are the entries, by rule.
func (l *ledger) counts() []agent.Count {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []agent.Count
	for rule, n := range l.passed {
		all = append(all, agent.Count{Rule: rule, N: n})
	}
	slices.SortFunc(all, func(a, b agent.Count) int { return strings.Compare(a.Rule, b.Rule) })
	return all
}

// scannerFailures reports the first failure of each scanner, and its quarantine.
func (c *cli) scannerFailures(ledger *ledger) func(wasmhost.Failure) {
	var mu sync.Mutex
	said := map[string]bool{}
	return func(f wasmhost.Failure) {
		if f.Open {
			ledger.add("passed scanner " + f.Scanner + " failed")
		}
		mu.Lock()
		defer mu.Unlock()
		first := fmt.Sprint(f.Scanner, f.Quarantined)
		if said[first] {
			return
		}
		said[first] = true
		switch {
		case f.Open:
			c.say("scanner %s failed, and what it saw is NOT masked, by the policy: %v", f.Scanner, f.Cause)
		case f.Quarantined:
			c.say("scanner %s failed three times in a minute and is not run any more: what it would have seen is masked", f.Scanner)
		default:
			c.say("scanner %s failed, and what it saw is masked: %v", f.Scanner, f.Cause)
		}
	}
}

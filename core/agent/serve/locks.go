package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/core/vault"
)

// locks is the sealed document: what each device masks with, by the device's id.
// The signed manifest covers it, so that neither an edit of the files beside the
// vault nor an older copy of them goes unnoticed.
type locks struct {
	Devices map[string]agent.Locks `json:"devices"`
}

func readLocks(ctx context.Context, o *opened) (all locks, err error) {
	text, err := o.vault.Sealed(ctx, vault.ScannerLock)
	if errors.Is(err, vault.ErrNotFound) {
		return locks{Devices: map[string]agent.Locks{}}, nil
	}
	if err != nil {
		return all, err
	}
	if err := json.Unmarshal(text, &all); err != nil || all.Devices == nil {
		return all, fmt.Errorf("read which scanners are recorded: %w", vault.ErrCorrupt)
	}
	return all, nil
}

// record makes l what this device masks with.
func (all locks) record(ctx context.Context, o *opened, l agent.Locks) error {
	all.Devices[o.vault.Device()] = l
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return o.vault.PutSealed(ctx, vault.ScannerLock, text)
}

func (s *Server) opLocksShow(ctx context.Context, _ *client, _ *wire.Frame) (answer, error) {
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	all, err := readLocks(ctx, o)
	l, ok := all.Devices[o.vault.Device()]
	return answer{args: agent.LocksRecord{Locks: l, Recorded: ok}}, err
}

// opLocksRecord records which scanners this device masks with, for the password.
func (s *Server) opLocksRecord(ctx context.Context, c *client, f *wire.Frame) (answer, error) {
	if c.actor.MCP() {
		return answer{}, &agent.Error{Err: agent.ErrDenied, Message: "record scanners: denied: a coding agent's tools do not change what masks"}
	}
	var ch agent.LocksChange
	return s.freshOp(ctx, c, f, "scanners_record", &ch, func(o *opened, _ secret.Value) error {
		all, err := readLocks(ctx, o)
		if err != nil {
			return err
		}
		if was := all.Devices[o.vault.Device()]; was != ch.Old && !ch.Accept {
			return &agent.Error{Err: agent.ErrScanners, Message: fmt.Sprintf("%v: %s", agent.ErrScanners, howDiffers(was, ch.Old)), Advice: lookAndTrust}
		}
		return all.record(ctx, o, ch.New)
	})
}

// recordFound records what lies in the home when a vault is made: it was put
// there before there was anything to record it in.
func (s *Server) recordFound(ctx context.Context, o *opened) error {
	var l agent.Locks
	for name, digest := range map[string]*string{"scanners.lock": &l.Modules, "rules.lock": &l.Rules} {
		content, err := os.ReadFile(filepath.Join(s.c.Home, "scanners", name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("record scanners: %w", err)
		}
		*digest = agent.LockDigest(append([]byte{}, content...))
	}
	if l == (agent.Locks{}) {
		return nil
	}
	return locks{Devices: map[string]agent.Locks{}}.record(ctx, o, l)
}

// attested refuses a use of values whose masking is not what was recorded. What
// looks for nothing but the vault's values needs no scanners, and the policy's
// word for it; to look for them (mask) gives them to nobody.
func (s *Server) attested(ctx context.Context, l *policy.Loosen, g *agent.GrantRequest) (d Decision, refused bool, err error) {
	switch {
	case g.Kind == "":
		return d, false, nil
	case g.Level == levelKnown && g.Kind != agent.GrantMask && !l.KnownOnly:
		return Decision{Rule: "level", Reason: "nothing would be masked by its shape",
			Hint: `leave --level known out; the sealed policy can allow it: known_only under [loosen], "ov policy edit"`}, true, nil
	case g.Level == levelKnown:
		return d, false, nil
	}
	o, done, err := s.use()
	if err != nil {
		return d, false, err
	}
	defer done()
	all, err := readLocks(ctx, o)
	if was := all.Devices[o.vault.Device()]; err == nil && was != g.Locks {
		return Decision{Err: agent.ErrScanners, Rule: "scanners", Reason: howDiffers(was, g.Locks), Hint: lookAndTrust}, true, nil
	}
	return d, false, err
}

// levelKnown is the level at which nothing is masked by its shape.
const levelKnown = "known"

const lookAndTrust = `"ov scanner list" shows what is there now; "ov scanner trust" records it, with the master password`

// howDiffers says which file is another one than what was recorded, and how.
func howDiffers(recorded, found agent.Locks) string {
	file, was, is := "scanners.lock", recorded.Modules, found.Modules
	if was == is {
		file, was, is = "rules.lock", recorded.Rules, found.Rules
	}
	switch "" {
	case is:
		return file + " is gone"
	case was:
		return file + " is new"
	}
	return file + " was changed"
}

package tools

import (
	"encoding/json"
	"fmt"

	"github.com/opaquevault/ov/core/agent"
)

// What happens to a call that has a secret in its arguments.
const (
	modeBlock = "block"
	modeWarn  = "warn"
)

const useNames = "secrets do not belong in arguments: name them in secret_names and let the command read $NAME; " +
	"a value that was in this conversation should be replaced by its owner"

// intercept refuses a call with a secret in its arguments, or lets it pass with a
// warning where the sealed policy has it so.
func (t *Tools) intercept(c *call, arguments map[string]json.RawMessage) error {
	name, what, err := look{t.guard, c.masks.shapes()}.check(arguments)
	if err != nil || what == "" {
		return err
	}
	t.intercepted.Add(1)
	// Asked for only now: nearly no call comes here. Without an answer it is refused.
	if s, err := c.vault.Status(c.ctx); err == nil && t.mode(s) == modeWarn {
		t.warned.Add(1)
		c.warnings = append(c.warnings, fmt.Sprintf("argument %q holds a secret (%s); the policy let it pass; %s", name, what, useNames))
		return nil
	}
	return fault{"secret_in_argument", fmt.Sprintf("argument %q holds a secret (%s); it was neither stored nor run", name, what), useNames}
}

// mode is what the sealed policy of an open vault says. OV_INTERCEPT_MODE may
// tighten it: warn, which it says already, or nothing leave it as it is, and all
// else blocks.
func (t *Tools) mode(s agent.Status) string {
	wish := t.c.Getenv("OV_INTERCEPT_MODE")
	if s.Running && !s.Locked && s.WarnOnly && (wish == "" || wish == modeWarn) {
		return modeWarn
	}
	return modeBlock
}

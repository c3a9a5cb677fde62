package exit

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// One test a row of `ov help exit`.
func TestCodes(t *testing.T) {
	rows := map[int][]error{
		0: {nil},
		1: {errors.New("anything else"), fs.ErrPermission, secret.ErrMarker, agent.ErrTampered, agent.ErrRollback, agent.ErrCorrupt, agent.ErrAudit, agent.ErrStorage},
		2: {ErrUsage, secret.ErrRef, agent.ErrUsage},
		3: {ErrFound},
		4: {agent.ErrLocked, agent.ErrPassword, agent.ErrPause},
		5: {agent.ErrNotFound, agent.ErrNoVault},
		6: {agent.ErrExists, agent.ErrVaultExists, agent.ErrConflict},
		7: {ErrPending},
		8: {agent.ErrDenied, agent.ErrApproval, config.ErrUntrusted},
	}
	for i, o := range Outcomes() {
		if o.Code != i || o.Means == "" {
			t.Errorf("row %d is of %d, %q", i, o.Code, o.Means)
		}
		for _, err := range rows[o.Code] {
			if err != nil {
				err = fmt.Errorf("do thing %q: %w", "x", err)
			}
			if got := Code(err); got != o.Code {
				t.Errorf("%v exits %d, want %d", err, got, o.Code)
			}
		}
		if len(rows[o.Code]) < len(o.Errs) {
			t.Errorf("row %d: %d sentinels, %d tests", i, len(o.Errs), len(rows[o.Code]))
		}
		delete(rows, o.Code)
	}
	if len(rows) > 0 {
		t.Errorf("tests without a row: %v", rows)
	}
	own := errors.New("of the program")
	if got := Code(fmt.Errorf("x: %w", own), Outcome{Code: 5, Errs: []error{own}}); got != 5 {
		t.Errorf("a row of the program's own exits %d", got)
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain, é\n\t":        "plain, é\n\t",
		"\x1b[31mred\a":       `\u001b[31mred\u0007`,
		"\u202egnp.exe\u2066": `\u202egnp.exe\u2066`,
		"\u009b2J\x7f\r":      `\u009b2J\u007f\u000d`,
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

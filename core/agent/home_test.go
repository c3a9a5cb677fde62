//go:build linux || darwin

package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Attack: the vault's folder, the one above or a file in it is open to others,
// who could put another vault, log or scanner in its place.
func TestAttackHomeOfOthers(t *testing.T) {
	for what, c := range map[string]struct {
		path string // below the folder above the home
		mode os.FileMode
		ok   bool
	}{
		"as it is made":           {"home", 0o700, true},
		"others may read":         {"home", 0o755, true},
		"others may write":        {"home", 0o707, false},
		"the group may write":     {"home", 0o770, false},
		"a file is for others":    {"home/vault.db", 0o602, false},
		"the log is for others":   {"home/audit", 0o777, false},
		"above, others may write": {".", 0o777, false},
		"above, like /tmp":        {".", 0o777 | os.ModeSticky, true},
		"above, the group may":    {".", 0o775, false},
	} {
		above := t.TempDir()
		home := filepath.Join(above, "home")
		if err := os.MkdirAll(filepath.Join(home, "audit"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(home, "vault.db"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(home, link); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(above, c.path)
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		for _, h := range []string{home, link} {
			client, err := Connect(t.Context(), Options{Home: h})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = client.Policy(t.Context())
			if c.ok && errors.Is(err, ErrDenied) || !c.ok && (!errors.Is(err, ErrDenied) || !strings.HasPrefix(Hint(err), "chmod go-w ")) {
				t.Errorf("%s: %v, hint %q", what, err, Hint(err))
			}
			if err := client.Lock(t.Context()); err != nil {
				t.Errorf("%s: lock: %v", what, err)
			}
		}
	}
	if os.Geteuid() == 0 {
		home := t.TempDir()
		if err := os.Chown(home, 12345, -1); err != nil {
			t.Fatal(err)
		}
		if err := CheckHome(home); !errors.Is(err, ErrDenied) || !strings.Contains(Hint(err), "chown") {
			t.Errorf("somebody else's: %v", err)
		}
	}
	if err := CheckHome(filepath.Join(t.TempDir(), "not", "there")); err != nil {
		t.Errorf("not made yet: %v", err)
	}
}

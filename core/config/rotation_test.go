package config

import (
	"strings"
	"testing"
	"time"
)

func TestRotation(t *testing.T) {
	p := newPlace(t)
	p.write("home/.ov/config.toml", "app = \"shop\"\n[rotation]\ndevelopment = \"30d\"\nproduction = \"12w\"\nlab = \"36h\"\n")
	r := p.load().User.Rotation
	stored := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for env, want := range map[string]time.Duration{"development": 30 * day, "production": 84 * day, "lab": 36 * time.Hour} {
		if got := r.Due(env, stored).Sub(stored); got != want {
			t.Errorf("%s: due after %v, want %v", env, got, want)
		}
	}
	if got := r.Due("staging", stored); !got.IsZero() {
		t.Errorf("an environment that nothing is said of is due at %v", got)
	}
}

// TestRotationBad: a mistake is named, and where it stands.
func TestRotationBad(t *testing.T) {
	for _, line := range []string{`production = "90"`, `production = "d"`, `production = "-1d"`, `production = "0d"`, `production = "1.5d"`,
		`production = "20000d"`, `production = ""`, `production = 90`, `"No Slug" = "90d"`} {
		p := newPlace(t)
		p.write("home/.ov/config.toml", "[rotation]\n"+line+"\n")
		if _, err := Load(p.opt); err == nil || !strings.Contains(err.Error(), "config.toml") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestUseKeepsRotation: the line of another table is not taken for the app's.
func TestUseKeepsRotation(t *testing.T) {
	p := newPlace(t)
	p.write("home/.ov/config.toml", "# mine\n[rotation]\nenvironment = \"30d\"\n")
	if err := Use(p.load().Home, "environment", "staging"); err != nil {
		t.Fatal(err)
	}
	c := p.load()
	if c.Env.Value != "staging" || c.User.Rotation["environment"] != Age(30*day) {
		t.Errorf("%+v", c.User)
	}
}

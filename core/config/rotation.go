package config

import (
	"fmt"
	"strconv"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

const day = 24 * time.Hour

// A Rotation says after how long the secrets of an environment are due for a
// new value: the table [rotation] of the user config, `production = "90d"`. It
// reminds, and decides nothing.
type Rotation map[string]Age

// An Age is a whole number of days, weeks or hours, as in 90d, 12w and 36h.
type Age time.Duration

// UnmarshalText parses an age.
func (a *Age) UnmarshalText(text []byte) error {
	units := map[byte]time.Duration{'h': time.Hour, 'd': day, 'w': 7 * day}
	s := string(text)
	if s == "" {
		return fmt.Errorf("age %q: want a number of days, as 90d", s)
	}
	unit, known := units[s[len(s)-1]]
	n, err := strconv.Atoi(s[:len(s)-1])
	if !known || err != nil || n <= 0 || n > 10_000 {
		return fmt.Errorf("age %q: want a number of days, weeks or hours, as 90d, 12w or 36h", s)
	}
	*a = Age(time.Duration(n) * unit)
	return nil
}

// Due returns when a secret of env that was stored at t wants a new value; the
// zero time when nothing is said of env.
func (r Rotation) Due(env string, t time.Time) time.Time {
	a, ok := r[env]
	if !ok {
		return time.Time{}
	}
	return t.Add(time.Duration(a))
}

func (r Rotation) check() error {
	for env := range r {
		if err := secret.CheckSlug("environment", env); err != nil {
			return fmt.Errorf("rotation: %w", err)
		}
	}
	return nil
}

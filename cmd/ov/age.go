package main

import (
	"context"
	"errors"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/config"
)

// dated says when a secret is due for a new value: now, when nobody knows how old
// it is.
func dated(v secretView, r config.Rotation) secretView {
	due := r.Due(v.Env, v.Updated)
	if !due.IsZero() && ahead(v.Updated) {
		due = time.Now().Add(-time.Second)
	}
	if !due.IsZero() && !v.Plain {
		v.Due = &due
	}
	return v
}

// ahead reports whether a time is one that only a wrong clock can have shown.
func ahead(t time.Time) bool { return time.Until(t) > 24*time.Hour }

func (v secretView) overdue() bool { return v.Due != nil && time.Now().After(*v.Due) }

// age is how old the value of a secret is, and what that means, in words.
func age(v secretView) string {
	text := plural(days(time.Since(v.Updated)), "day")
	if ahead(v.Updated) {
		text = "not known, a clock was ahead"
	}
	switch {
	case v.Due == nil:
		return text
	case v.overdue():
		return text + ", due since " + v.Due.Local().Format(time.DateOnly)
	}
	return text + ", due in " + plural(days(time.Until(*v.Due)+12*time.Hour), "day")
}

// agesView says how old the secrets of here are: these names stay.
type agesView struct {
	Oldest string `json:"oldest,omitempty"` // NAME
	Days   int    `json:"oldest_days"`
	Due    int    `json:"due"`
}

// ages looks at the secrets of here; nil when that is not allowed.
func ages(ctx context.Context, client *agent.Client, cfg *config.Config) *agesView {
	infos, err := client.List(ctx, cfg.App.Value, cfg.Env.Value, "")
	if err != nil && !errors.Is(err, agent.ErrNotFound) {
		return nil
	}
	var a agesView
	oldest := time.Now()
	for _, i := range infos {
		v := dated(view(i), cfg.User.Rotation)
		if v.overdue() {
			a.Due++
		}
		if !v.Plain && v.Updated.Before(oldest) {
			oldest, a.Oldest = v.Updated, v.Name
		}
	}
	a.Days = days(time.Since(oldest))
	return &a
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

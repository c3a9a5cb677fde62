package main

import (
	"testing"
	"time"
)

func TestAgo(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	for in, want := range map[string]string{
		"2y": "2024-03-31 12:00", "10w": "2026-01-20 12:00", "90d": "2025-12-31 12:00", "36h": "2026-03-30 00:00", "2025-01-31": "2025-01-31 00:00",
	} {
		if got, err := ago(in, now); err != nil || got.Format("2006-01-02 15:04") != want {
			t.Errorf("%s: %v, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "2", "y", "0d", "-1d", "-3h", "0s", "1.5y", "2m", "2030-01-01", "2025-13-01", "99999999d"} {
		if got, err := ago(in, now); err == nil {
			t.Errorf("%q was taken as %v", in, got)
		}
	}
}

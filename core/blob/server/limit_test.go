package server

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(1, 3, func() time.Time { return now })
	for i := range 3 {
		if _, ok := l.take("a"); !ok {
			t.Fatalf("take %d of 3", i)
		}
	}
	if wait, ok := l.take("a"); ok || wait != time.Second {
		t.Errorf("a fourth: %s, %v", wait, ok)
	}
	if _, ok := l.take("b"); !ok {
		t.Error("another one pays for the first")
	}
	now = now.Add(time.Second)
	if _, ok := l.take("a"); !ok {
		t.Error("a second later")
	}
	if _, ok := l.take("a"); ok {
		t.Error("two in a second")
	}
	if _, ok := l.takeN("c", 100); !ok {
		t.Error("more than there ever is counts as all there is")
	}
	if _, ok := l.take("c"); ok {
		t.Error("something is left")
	}
}

// However many come, a limiter remembers a bounded number, and those whose
// burst is used up are not the first to be forgotten.
func TestLimiterForgets(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := newLimiter(1, 2, func() time.Time { return now })
	for i := range maxLimited {
		l.take(fmt.Sprint("idle", i))
	}
	now = now.Add(time.Hour)
	l.take("busy")
	l.take("busy")
	if len(l.who) > 2 {
		t.Errorf("%d remembered after all had their burst again", len(l.who))
	}
	if _, ok := l.take("busy"); ok {
		t.Error("the busy one was forgotten")
	}
	for i := range 2 * maxLimited {
		l.take(fmt.Sprint("many", i))
		l.take(fmt.Sprint("many", i))
	}
	if len(l.who) > maxLimited {
		t.Errorf("%d remembered", len(l.who))
	}
}

func TestAddress(t *testing.T) {
	for from, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[2001:db8:1:2:3:4:5:6]:7": "2001:db8:1:2::", "[::ffff:192.0.2.1]:5": "::ffff:192.0.2.1", "@": "@"} {
		if got := address(&http.Request{RemoteAddr: from}); got != want {
			t.Errorf("%s: %s, want %s", from, got, want)
		}
	}
}

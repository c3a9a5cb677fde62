package server

import (
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A limiter gives each of many a rate of its own.
type limiter struct {
	limit rate.Limit
	burst int
	now   func() time.Time
	mu    sync.Mutex
	who   map[string]*rate.Limiter
}

// maxLimited bounds whom a limiter remembers. Beyond it those who have their
// full burst again are forgotten, which changes nothing for them.
const maxLimited = 50_000

func newLimiter(perSecond float64, burst int, now func() time.Time) *limiter {
	return &limiter{limit: rate.Limit(perSecond), burst: burst, now: now, who: map[string]*rate.Limiter{}}
}

// take reports whether who may go on now; otherwise after how long.
func (l *limiter) take(who string) (time.Duration, bool) { return l.takeN(who, 1) }

// takeN is take for something that counts n times.
func (l *limiter) takeN(who string, n int) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	one := l.who[who]
	if one == nil {
		if len(l.who) >= maxLimited {
			l.forget(now)
		}
		one = rate.NewLimiter(l.limit, l.burst)
		l.who[who] = one
	}
	res := one.ReserveN(now, min(n, l.burst))
	wait := res.DelayFrom(now)
	if wait == 0 {
		return 0, true
	}
	res.CancelAt(now)
	return wait, false
}

func (l *limiter) forget(now time.Time) {
	for who, one := range l.who {
		if one.TokensAt(now) >= float64(l.burst) {
			delete(l.who, who)
		}
	}
	for who := range l.who { // all of them busy: a tenth of them begins anew
		if len(l.who) < maxLimited-maxLimited/10 {
			break
		}
		delete(l.who, who)
	}
}

// address is where r comes from, without the port; behind a proxy, the proxy.
// The last half of an IPv6 address is the caller's to choose and does not count.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return ip.Mask(net.CIDRMask(64, 128)).String()
	}
	return host
}

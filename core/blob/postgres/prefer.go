package postgres

import (
	"context"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A favourite is the host that was connected to last. The next connection tries
// it first: after a fail-over each would otherwise wait for the dead one again.
type favourite struct {
	mu     sync.Mutex
	addr   string              // of the host, as it was dialled
	lookup map[string][]string // the addresses of each name
}

// prefer has conf try the host first that it connected to last, where there are
// several, and notice within seconds when a host's machine is gone.
func prefer(conf *pgxpool.Config) {
	dialer := &net.Dialer{Timeout: conf.ConnConfig.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}}
	conf.ConnConfig.DialFunc = dialer.DialContext
	if !several(&conf.ConnConfig.Config) {
		return
	}
	f := &favourite{lookup: map[string][]string{}}
	resolve := conf.ConnConfig.LookupFunc
	conf.ConnConfig.LookupFunc = func(ctx context.Context, host string) ([]string, error) {
		addrs, err := resolve(ctx, host)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.lookup[host] = addrs
		return addrs, err
	}
	conf.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error {
		f.sort(&c.Config)
		return nil
	}
	conf.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.addr = c.PgConn().Conn().RemoteAddr().String()
		return nil
	}
}

// sort puts the favourite's entries in front; the others keep their order.
func (f *favourite) sort(c *pgconn.Config) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := append([]*pgconn.FallbackConfig{{Host: c.Host, Port: c.Port, TLSConfig: c.TLSConfig}}, c.Fallbacks...)
	slices.SortStableFunc(all, func(a, b *pgconn.FallbackConfig) int { return f.rank(a) - f.rank(b) })
	c.Host, c.Port, c.TLSConfig = all[0].Host, all[0].Port, all[0].TLSConfig
	c.Fallbacks = all[1:]
}

// rank is 0 for the favourite, 1 for another.
func (f *favourite) rank(c *pgconn.FallbackConfig) int {
	if _, addr := pgconn.NetworkAddress(c.Host, c.Port); addr == f.addr {
		return 0
	}
	for _, ip := range f.lookup[c.Host] {
		if net.JoinHostPort(ip, strconv.Itoa(int(c.Port))) == f.addr {
			return 0
		}
	}
	return 1
}

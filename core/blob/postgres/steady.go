package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// What one request may cost.
const (
	tries     = 8 // of a transaction that clashes with others
	goneTries = 3 // of one whose connection broke
)

// times are how long is waited for what.
type times struct {
	patience time.Duration // for one request, tries and all
	ask      time.Duration // for one try of what is small
	probe    time.Duration // for a host's answer to a write
}

// usual is less, together, than clients wait for a server.
func usual() times {
	return times{patience: 45 * time.Second, ask: 8 * time.Second, probe: 2 * time.Second}
}

// ask runs f, which asks for something small: what takes long is a host that
// hangs, and another one is asked.
func (d *Depot) ask(ctx context.Context, f func(context.Context) error) error {
	return d.do(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, d.times.ask)
		defer cancel()
		return f(ctx)
	})
}

// do runs f, for one request: within its patience, and as steady does. A first
// try has a third of that: when it was at a host that hangs, there is time left
// for another.
func (d *Depot) do(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d.times.patience)
	defer cancel()
	first := true
	return d.steady(ctx, func(ctx context.Context) error {
		if first {
			first = false
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, d.times.patience/3)
			defer cancel()
		}
		return f(ctx)
	})
}

// steady runs f over a current schema, again as long as retry does. It is for
// what may take as long as it takes.
func (d *Depot) steady(ctx context.Context, f func(context.Context) error) error {
	return d.retry(ctx, func(ctx context.Context) error {
		if err := d.migrate(ctx); err != nil {
			return err
		}
		return f(ctx)
	})
}

// retry runs f until it does not clash with another transaction, and again when
// the connection turned out to be gone: what f does, it may do twice. What took
// too long once is not asked again: it would only take longer.
func (d *Depot) retry(ctx context.Context, f func(context.Context) error) error {
	for try := 1; ; try++ {
		err := f(ctx)
		if code(err) == stateReadOnly || hung(err) {
			d.pool.Reset() // the other connections are to the same host
		}
		again := clash(err) && try < tries || err != nil && gone(err) && code(err) != stateTooLong && try < goneTries
		if !again || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(rand.IntN(20*try)+1) * time.Millisecond):
		}
	}
}

// hung reports whether a host did not answer in time. A caller who goes away,
// however often, says nothing of the host.
func hung(err error) bool {
	return pgconn.Timeout(err) && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

package httpblob

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Silence is how long nothing may move between client and server, in either
// direction, before the server counts as one that cannot be reached. A request
// takes twice that at most, however large it is, unless something moves.
const Silence = 20 * time.Second

// A watch ends a request in which nothing moves any more: no deadline of TCP or
// TLS does, once a connection stands, and a box on the way can swallow all of it.
type watch struct {
	after  time.Duration
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// watch returns the context of a request, which ends with its watch.
func (s *Store) watch(ctx context.Context) (context.Context, *watch) {
	w := &watch{after: s.o.Silence}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(w.after, func() { w.cancel(fmt.Errorf("nothing was heard for %s", w.after)) })
	return w.ctx, w
}

func (w *watch) stop() {
	w.timer.Stop()
	w.cancel(nil)
}

// cause is what ended the request: the watch, if it did.
func (w *watch) cause(err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}

// moving returns r; whatever is read of it is something that moved.
func (w *watch) moving(r io.Reader) io.Reader { return &moving{r, w} }

type moving struct {
	io.Reader
	watch *watch
}

// Read implements io.Reader.
func (m *moving) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	if n > 0 {
		m.watch.timer.Reset(m.watch.after)
	}
	return n, err
}

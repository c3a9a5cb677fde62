package agent

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/opaquevault/ov/core/agent/wire"
)

// stopTime is how long Stop waits for the agent to let go of store and socket.
const stopTime = 10 * time.Second

// Stop ends the long-lived agent and returns when it is gone: another one can
// start then. That none runs is no error.
func (c *Client) Stop(ctx context.Context) error {
	if err := c.tell(ctx, wire.OpStop); err != nil {
		return err
	}
	c.mu.Lock()
	if c.daemon != nil {
		c.daemon.close()
		c.daemon = nil
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	for _, path := range SocketPaths(c.o.Home) {
		if err := released(ctx, path+".lock"); err != nil {
			return fmt.Errorf("stop ov-agent: %w", err)
		}
	}
	return nil
}

// released waits until nobody holds the lock at path: an agent holds its own
// until its process has ended.
func released(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it still holds %q: %w", path, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

package agent

import (
	"context"
	"fmt"
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

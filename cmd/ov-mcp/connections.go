package main

import (
	"context"
	"os"
	"sync"

	"github.com/opaquevault/ov/cmd/ov-mcp/tools"
	"github.com/opaquevault/ov/core/agent"
)

// connections keeps one connection to ov-agent for each name that the MCP client
// has called itself, which is nearly always one.
type connections struct {
	home string
	mu   sync.Mutex
	open map[string]*agent.Client
}

const maxConnections = 16

func newConnections(home string) *connections {
	return &connections{home: home, open: map[string]*agent.Client{}}
}

func (c *connections) get(name string) (tools.Vault, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.open[name]; v != nil {
		return v, nil
	}
	if len(c.open) >= maxConnections { // a client that calls itself something else each time
		name = "mcp"
		if v := c.open[name]; v != nil {
			return v, nil
		}
	}
	v, err := agent.Connect(context.Background(), agent.Options{Home: c.home, Client: name, Agent: agent.Detect(os.Environ())})
	if err != nil {
		return nil, err
	}
	c.open[name] = v
	return v, nil
}

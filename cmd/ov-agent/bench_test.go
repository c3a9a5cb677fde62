package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// BenchmarkGrant is what `ov run` asks of an agent: a connection, a grant of 50
// secrets and its completion.
func BenchmarkGrant(b *testing.B) {
	home := filepath.Join(b.TempDir(), "h")
	password := filepath.Join(b.TempDir(), "password")
	if err := os.WriteFile(password, []byte(testPassword()), 0o600); err != nil {
		b.Fatal(err)
	}
	kit, err := os.Create(filepath.Join(b.TempDir(), "kit"))
	if err != nil {
		b.Fatal(err)
	}
	defer kit.Close()
	ctx := context.Background()
	connect := func(p agent.Password) *agent.Client {
		c, err := agent.Connect(ctx, agent.Options{Home: home, Client: "cli", Password: p})
		if err != nil {
			b.Fatal(err)
		}
		return c
	}
	c := connect(agent.FromFile(password))
	if err := c.Init(ctx, agent.InitRequest{Kit: kit}); err != nil {
		b.Fatal(err)
	}
	for i := range 50 {
		if _, err := c.Put(ctx, agent.PutRequest{Ref: ref(fmt.Sprintf("S_%d", i)), Value: secret.New([]byte(canary(fmt.Sprint(i))))}); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	all := runOf()
	all.App, all.Env = "default", "development"
	use := func(c *agent.Client) {
		g, err := c.Grant(ctx, all)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.Complete(ctx, agent.Completion{GrantID: g.ID}); err != nil {
			b.Fatal(err)
		}
		c.Close()
	}
	b.Run("one-shot", func(b *testing.B) {
		for b.Loop() {
			use(connect(agent.FromFile(password)))
		}
	})
	c = connect(agent.FromFile(password))
	defer c.Stop(ctx)
	if err := c.Unlock(ctx, agent.TTLs{}); err != nil {
		b.Fatal(err)
	}
	b.Run("agent", func(b *testing.B) {
		for b.Loop() {
			use(connect(agent.Password{}))
		}
	})
	b.Run("agent, connected", func(b *testing.B) {
		c := connect(agent.Password{})
		defer c.Close()
		for b.Loop() {
			g, err := c.Grant(ctx, all)
			if err != nil {
				b.Fatal(err)
			}
			g.Wipe()
		}
	})
}

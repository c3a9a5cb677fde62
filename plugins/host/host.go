// Package host runs a provider as a process and talks to it. A provider is
// code that we did not build: what it is given, how long it lives, how much it
// may answer and what becomes of its output is decided here.
package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/wire"
)

const cookieKey = wire.CookieKey

// ErrProtocol says that what was started does not speak ov.provider.v1.
var ErrProtocol = errors.New("not a provider that ov can speak to")

// A Spec says which binary to run and what it may see.
type Spec struct {
	Path    string        // the binary
	Args    []string      // for one binary with several providers
	SHA256  string        // hex; must match when set
	Grant   []string      // names of environment variables that the person granted to it
	RunDir  string        // private folder for its sockets; exists, 0700
	Timeout time.Duration // from start to the handshake; 0: 10 s
}

// A Provider is a running provider process.
type Provider struct {
	client *plugin.Client
	wire   wire.ProviderServiceClient
	info   provider.Info
	sum    [32]byte
	dir    string
	stderr *tail
	seen   seen
}

// Start copies, checks and runs the binary, and asks it what it is. The caller
// closes the Provider.
func Start(ctx context.Context, s Spec) (*Provider, error) {
	dir, err := os.MkdirTemp(s.RunDir, "p-")
	if err != nil {
		return nil, fmt.Errorf("make folder for provider: %w", err)
	}
	im, err := load(s.Path, s.SHA256, dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	p := &Provider{sum: im.sum, dir: dir, stderr: new(tail)}
	p.client = plugin.NewClient(p.config(s, im))
	if err := p.connect(ctx); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *Provider) config(s Spec, im *image) *plugin.ClientConfig {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	return &plugin.ClientConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: side{}}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		RunnerFunc:       newRunner(s, im),
		SkipHostEnv:      true,
		AutoMTLS:         true,
		StartTimeout:     timeout,
		Stderr:           p.stderr,
		SyncStdout:       io.Discard,
		SyncStderr:       p.stderr,
		Logger:           hclog.NewNullLogger(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.dir},
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage))},
	}
}

// connect makes the handshake. Its errors quote nothing that the process wrote.
func (p *Provider) connect(ctx context.Context) error {
	conn, err := p.client.Client()
	if err != nil {
		return fmt.Errorf("start provider: %w", errors.Join(ErrProtocol, quiet(err)))
	}
	raw, err := conn.Dispense(wire.PluginName)
	if err != nil {
		return fmt.Errorf("start provider: %w", ErrProtocol)
	}
	p.wire = raw.(wire.ProviderServiceClient)
	d, err := p.wire.Describe(ctx, &wire.DescribeRequest{})
	if err != nil {
		return fmt.Errorf("describe provider: %w", p.fault(err))
	}
	p.info = wire.ToInfo(d)
	return nil
}

// quiet keeps the errors that say something of the start and drops the texts
// of go-plugin, which quote what the process printed.
func quiet(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path
	}
	return errors.New("no handshake")
}

// Info says what the provider is.
func (p *Provider) Info() provider.Info { return p.info }

// SHA256 returns the hash of the binary that runs.
func (p *Provider) SHA256() [32]byte { return p.sum }

// Close ends the process, its group and its folder.
func (p *Provider) Close() {
	p.client.Kill()
	p.seen.wipe()
	os.RemoveAll(p.dir)
}

// side is go-plugin's view of the host's side.
type side struct{ plugin.NetRPCUnsupportedPlugin }

func (side) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("host: not a provider")
}

func (side) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return wire.NewProviderServiceClient(c), nil
}

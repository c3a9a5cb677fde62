package serve

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/wire"
)

// parallel is how many values are read at once from a service without batches.
const parallel = 8

// side is go-plugin's view of the plugin's side.
type side struct {
	plugin.NetRPCUnsupportedPlugin
	p provider.Provider
}

func (s side) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	wire.RegisterProviderServiceServer(g, server{p: s.p})
	return nil
}

func (side) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("serve: not a host")
}

// server answers the host's calls. It owns retries, so that a provider does not.
type server struct {
	wire.UnimplementedProviderServiceServer
	p     provider.Provider
	retry provider.Retry
}

func (s server) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return wire.FromInfo(s.p.Info()), nil
}

// configureTries is less patient than the rest: nothing is lost yet, and a
// wrong address is found out at once.
const configureTries = 7

func (s server) Configure(ctx context.Context, r *wire.ConfigureRequest) (*wire.ConfigureResponse, error) {
	settings, err := complete(s.p.Info().Settings, r.GetSettings())
	if err != nil {
		return nil, wire.Status(err)
	}
	var a provider.Account
	retry := s.retry
	retry.Tries = configureTries
	err = retry.Do(ctx, func(ctx context.Context) (err error) {
		a, err = s.p.Configure(ctx, provider.Config{Settings: settings})
		return err
	})
	if err != nil {
		return nil, wire.Status(err)
	}
	return &wire.ConfigureResponse{Account: a.Name, Door: a.Door, Notes: a.Notes,
		Cost: &wire.Cost{SignIn: number(a.Cost.SignIn), List: number(a.Cost.List), Read: number(a.Cost.Read)}}, nil
}

// number is n as the protocol has it; what makes no sense is not known.
func number(n int) uint32 {
	if n < 0 || n > 1<<20 {
		return 0
	}
	return uint32(n)
}

// complete fills in defaults and refuses unknown and missing settings.
func complete(declared []provider.Setting, given map[string]string) (map[string]string, error) {
	all := make(map[string]string, len(declared))
	for _, d := range declared {
		v, ok := given[d.Name]
		if !ok && d.Required {
			return nil, provider.Errorf(provider.Invalid, "setting %q is required: %s", d.Name, d.Description)
		}
		if !ok {
			v = d.Default
		}
		all[d.Name] = v
	}
	for name := range given {
		if _, ok := all[name]; !ok {
			return nil, provider.Errorf(provider.Invalid, "unknown setting %q", name)
		}
	}
	return all, nil
}

// List begins again when the service was away for a while; what was sent
// before is not sent twice.
func (s server) List(r *wire.ListRequest, out grpc.ServerStreamingServer[wire.ListResponse]) error {
	query := provider.Query{Path: r.GetPath(), Tags: r.GetTags()}
	sent := map[string]bool{}
	err := s.retry.Do(out.Context(), func(ctx context.Context) error {
		for e, err := range s.p.List(ctx, query) {
			if err != nil {
				return err
			}
			if sent[e.Ref] {
				continue
			}
			if err := out.Send(wire.FromEntry(e)); err != nil {
				return err
			}
			sent[e.Ref] = true
		}
		return nil
	})
	if err != nil {
		return wire.Status(err)
	}
	return nil
}

// Fetch reads references until the host closes its side: in batches where the
// provider has them, else several at once.
func (s server) Fetch(io grpc.BidiStreamingServer[wire.FetchRequest, wire.FetchResponse]) error {
	f := fetcher{server: s, ctx: io.Context(), send: io.Send}
	if b, ok := s.p.(provider.BatchFetcher); ok {
		return f.batches(b, receive(io))
	}
	return f.singles(receive(io))
}

// receive turns the incoming side into a channel that ends with the stream.
func receive(in grpc.BidiStreamingServer[wire.FetchRequest, wire.FetchResponse]) <-chan string {
	refs := make(chan string, provider.MaxBatch)
	go func() {
		defer close(refs)
		for {
			r, err := in.Recv()
			if errors.Is(err, io.EOF) || err != nil {
				return
			}
			select {
			case refs <- r.GetRef():
			case <-in.Context().Done():
				return
			}
		}
	}()
	return refs
}

// fetcher answers one Fetch stream; gRPC allows one sender at a time.
type fetcher struct {
	server
	ctx  context.Context
	mu   sync.Mutex
	send func(*wire.FetchResponse) error
	err  error // the first failed send
}

func (f *fetcher) answer(r provider.Result) {
	if len(r.Item.Value) > provider.MaxValue {
		r = provider.Result{Ref: r.Ref, Err: provider.Errorf(provider.TooLarge, "%d bytes, at most %d", len(r.Item.Value), provider.MaxValue)}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = f.send(wire.FromResult(r))
	}
	clear(r.Item.Value)
}

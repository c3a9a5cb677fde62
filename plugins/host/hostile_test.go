package host

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/serve"
	"github.com/opaquevault/ov/sdk/provider/wire"
)

const canary = "canary-5up3r-s3cret-V4lue-7f3a"

// TestMain makes the test binary the hostile plugins too: `TEST hostile MODE`.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "hostile" {
		hostile(os.Args[2])
		os.Exit(0)
	}
	if len(os.Args) == 3 && os.Args[1] == "host" {
		doomedHost(os.Args[2])
	}
	os.Exit(m.Run())
}

func hostile(mode string) {
	switch mode {
	case "silent":
		time.Sleep(time.Hour)
	case "garbage":
		fmt.Println("1|1|unix|" + canary)
	case "chatter":
		fmt.Println(strings.Repeat(canary+" ", 100))
	case "tcp":
		fmt.Println("1|1|tcp|127.0.0.1:1|grpc|")
		time.Sleep(time.Hour)
	case "netrpc":
		fmt.Println("1|1|unix|/nonexistent|netrpc|")
		time.Sleep(time.Hour)
	case "version":
		fmt.Println("1|99|unix|/nonexistent|grpc|")
		time.Sleep(time.Hour)
	case "exit":
		os.Exit(3)
	case "huge", "deaf":
		raw(mode)
	default:
		serve.Main(misbehaving{mode})
	}
}

// misbehaving uses the SDK as an honest provider would, and abuses its calls.
type misbehaving struct{ mode string }

func (m misbehaving) Info() provider.Info {
	i := provider.Info{Name: "misbehaving", Version: "1"}
	if m.mode == "env" {
		i.Doors = os.Environ()
	}
	return i
}

func (m misbehaving) Configure(context.Context, provider.Config) (provider.Account, error) {
	if m.mode == "slow" {
		time.Sleep(time.Hour)
	}
	return provider.Account{Name: "me\x1b]0;owned\x07", Cost: provider.Cost{SignIn: -1, List: 1 << 30, Read: 7}}, nil
}

func (m misbehaving) List(context.Context, provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		n := 1
		if m.mode == "many" {
			n = 10_000
		}
		for i := range n {
			e := provider.Entry{Ref: fmt.Sprint("r", i), Name: "NAME"}
			if m.mode == "longref" {
				e.Ref = strings.Repeat("x", provider.MaxRef+1)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (m misbehaving) Fetch(_ context.Context, ref string) (provider.Item, error) {
	switch {
	case m.mode == "stderr":
		fmt.Fprintf(os.Stderr, "debug: %s is %s\n", ref, canary)
	case m.mode == "errtext" && ref == "r1":
		time.Sleep(300 * time.Millisecond) // after r0 was handed over
		return provider.Item{}, provider.Errorf(provider.Denied, "cannot parse %q \x1b[2J%s", canary, strings.Repeat("y", 4096))
	case m.mode == "goerror":
		return provider.Item{}, fmt.Errorf("cannot parse %q", canary)
	case m.mode == "crash" && ref == "r1":
		time.Sleep(100 * time.Millisecond)
		os.Exit(1)
	case m.mode == "toolarge":
		return provider.Item{Value: make([]byte, provider.MaxValue+1)}, nil
	}
	return provider.Item{Value: []byte(canary)}, nil
}

// raw speaks the protocol without the SDK's limits and lifeline.
func raw(mode string) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: rawSide{mode: mode}}},
		GRPCServer:       plugin.DefaultGRPCServer,
		Logger:           hclog.NewNullLogger(),
	})
}

type rawSide struct {
	plugin.NetRPCUnsupportedPlugin
	wire.UnimplementedProviderServiceServer
	mode string
}

func (r rawSide) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	wire.RegisterProviderServiceServer(g, r)
	return nil
}

func (rawSide) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, nil
}

// Describe of a deaf plugin leaves its pid and ignores every polite request.
func (r rawSide) Describe(context.Context, *wire.DescribeRequest) (*wire.DescribeResponse, error) {
	return &wire.DescribeResponse{Name: "raw", Version: fmt.Sprint(os.Getpid())}, nil
}

func (r rawSide) Fetch(s grpc.BidiStreamingServer[wire.FetchRequest, wire.FetchResponse]) error {
	q, err := s.Recv()
	if err != nil {
		return err
	}
	return s.Send(wire.FromResult(provider.Result{Ref: q.GetRef(), Item: provider.Item{Value: make([]byte, 64<<20)}}))
}

// doomedHost starts a deaf plugin, says its pid and waits to be killed.
func doomedHost(dir string) {
	p, err := Start(context.Background(), self("deaf", dir))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.Info().Version)
	io.Copy(io.Discard, os.Stdin)
}

func self(mode, dir string) Spec {
	exe, _ := os.Executable()
	return Spec{Path: exe, Args: []string{"hostile", mode}, RunDir: dir, Timeout: 20 * time.Second}
}

// TestKilledHost: a plugin without a lifeline dies with its host all the same.
func TestKilledHost(t *testing.T) {
	exe, _ := os.Executable()
	cmd := exec.Command(exe, "host", t.TempDir())
	in, _ := cmd.StdinPipe()
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("plugin %d is not there: %v", pid, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if !gone(pid) {
		t.Errorf("plugin %d outlived its host", pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// gone waits for a process that is not our child to end or to be a zombie.
func gone(pid int) bool {
	for range 500 {
		st, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(st), ") Z ") {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	return false
}

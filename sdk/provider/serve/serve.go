// Package serve runs a provider.Provider as a plugin process. A provider's
// main is one line: serve.Main(myProvider{}).
//
// The process talks gRPC over a unix socket in a folder of its host, with
// certificates made for this one run. Its standard input is a lifeline: when
// the host goes away, however it does, the input ends and so does the process.
package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/wire"
)

// Main serves p until the host is done with it, and does not return. With the
// argument --describe it prints p's Info as JSON instead, so that a person can
// look at a provider without starting it.
func Main(p provider.Provider) {
	if len(os.Args) == 2 && os.Args[1] == "--describe" {
		if err := describe(os.Stdout, p); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	harden()
	go lifeline(os.Stdin, os.Exit)
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			MagicCookieKey: wire.CookieKey, MagicCookieValue: wire.CookieValue,
		},
		VersionedPlugins: map[int]plugin.PluginSet{wire.Version: {wire.PluginName: side{p: p}}},
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(o, grpc.MaxRecvMsgSize(wire.MaxMessage), grpc.MaxSendMsgSize(wire.MaxMessage))...)
		},
		Logger: hclog.NewNullLogger(),
	})
	os.Exit(0)
}

func describe(w io.Writer, p provider.Provider) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(p.Info())
}

// lifeline ends the process when the host's end of standard input closes.
func lifeline(in io.Reader, exit func(int)) {
	io.Copy(io.Discard, in)
	exit(0)
}

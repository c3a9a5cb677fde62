// Command ov-provider is the built-in providers in one program. ov-import runs
// it as a plugin process, with the provider's name as its argument.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/opaquevault/ov/providers/aws"
	"github.com/opaquevault/ov/providers/azure"
	"github.com/opaquevault/ov/providers/command"
	"github.com/opaquevault/ov/providers/doppler"
	"github.com/opaquevault/ov/providers/dotenv"
	"github.com/opaquevault/ov/providers/gcp"
	"github.com/opaquevault/ov/providers/hashivault"
	"github.com/opaquevault/ov/providers/infisical"
	"github.com/opaquevault/ov/providers/keychain"
	"github.com/opaquevault/ov/providers/onepassword"
	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/serve"
)

func all() []provider.Provider {
	return []provider.Provider{
		aws.NewSecretsManager(), aws.NewParameterStore(), onepassword.New(), infisical.New(),
		hashivault.New(), azure.New(), gcp.New(), doppler.New(), keychain.New(), dotenv.New(), command.New(),
	}
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--list" {
		for _, p := range all() {
			fmt.Printf("%s\t%s\n", p.Info().Name, p.Info().Description)
		}
		return
	}
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println("ov-provider", build())
		return
	}
	if len(os.Args) < 2 {
		usage()
	}
	name := os.Args[1]
	os.Args = slices.Delete(os.Args, 1, 2) // serve reads --describe from the rest
	for _, p := range all() {
		if p.Info().Name == name {
			serve.Main(p)
		}
	}
	usage()
}

// build says which build this is, as core/version does for the programs that may
// link what is in core.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			text += " (" + s.Value[:min(12, len(s.Value))] + ")"
		}
	}
	return text + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}

func usage() {
	fmt.Fprintln(os.Stderr, "ov-provider: run by ov-import, as ov-provider NAME; --list names the providers")
	os.Exit(2)
}

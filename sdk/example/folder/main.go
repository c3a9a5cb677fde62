// Command folder is a whole provider: each file of a folder is a secret.
package main

import (
	"context"
	"iter"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/serve"
)

type folder struct{ root string }

func main() { serve.Main(&folder{}) }

func (f *folder) Info() provider.Info {
	return provider.Info{Name: "folder", Version: "1", Description: "files of a folder", Settings: []provider.Setting{{Name: "path", Required: true}}}
}

func (f *folder) Configure(_ context.Context, c provider.Config) (provider.Account, error) {
	f.root = c.Settings["path"]
	_, err := os.ReadDir(f.root)
	return provider.Account{Name: f.root}, err
}

func (f *folder) List(context.Context, provider.Query) iter.Seq2[provider.Entry, error] {
	files, err := os.ReadDir(f.root)
	return func(yield func(provider.Entry, error) bool) {
		for i := 0; i < len(files) && yield(provider.Entry{Ref: files[i].Name(), Name: files[i].Name()}, err); i++ {
		}
	}
}

func (f *folder) Fetch(_ context.Context, ref string) (provider.Item, error) {
	value, err := os.ReadFile(filepath.Join(f.root, filepath.Base(ref)))
	return provider.Item{Value: value}, err
}

// Command folder is a provider in 40 lines: each file of a folder is a secret.
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
	return provider.Info{Name: "folder", Version: "1", Description: "files of a folder",
		Settings: []provider.Setting{{Name: "path", Description: "the folder", Required: true}}}
}

func (f *folder) Configure(_ context.Context, c provider.Config) (provider.Account, error) {
	f.root = c.Settings["path"]
	if _, err := os.ReadDir(f.root); err != nil {
		return provider.Account{}, provider.Errorf(provider.Denied, "read folder: %v", err)
	}
	return provider.Account{Name: f.root}, nil
}

func (f *folder) List(context.Context, provider.Query) iter.Seq2[provider.Entry, error] {
	files, _ := os.ReadDir(f.root)
	return func(yield func(provider.Entry, error) bool) {
		for _, d := range files {
			if st, err := d.Info(); err == nil && st.Mode().IsRegular() && !yield(provider.Entry{
				Ref: d.Name(), Name: d.Name(), ChangeToken: st.ModTime().String()}, nil) {
				return
			}
		}
	}
}

func (f *folder) Fetch(_ context.Context, ref string) (provider.Item, error) {
	b, err := os.ReadFile(filepath.Join(f.root, filepath.Base(ref)))
	if err != nil {
		return provider.Item{}, provider.Errorf(provider.NotFound, "file %q", ref)
	}
	return provider.Item{Value: b}, nil
}

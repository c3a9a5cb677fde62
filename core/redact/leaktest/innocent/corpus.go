package innocent

import (
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"path"
	"strings"
)

//go:embed testdata/*.gz
var files embed.FS

// Corpus calls f with the name and the text of each file of the corpus.
func Corpus(f func(name string, text []byte) error) error {
	entries, err := files.ReadDir("testdata")
	if err != nil {
		return err
	}
	for _, e := range entries {
		text, err := read(path.Join("testdata", e.Name()))
		if err != nil {
			return fmt.Errorf("read corpus %q: %w", e.Name(), err)
		}
		if err := f(strings.TrimSuffix(e.Name(), ".txt.gz"), text); err != nil {
			return err
		}
	}
	return nil
}

func read(name string) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// keyHeader is the first line of a key file; the second is the key in hex.
const keyHeader = "ov-server key 1"

// readKey reads the server's key.
func readKey(path string) (*channel.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read server key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, hint(fmt.Errorf("server key %s: everybody may read it", path), "chmod o= %s; if others have read it, make a new one", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read server key: %w", err)
	}
	defer clear(b)
	header, body, _ := strings.Cut(string(b), "\n")
	seed, err := hex.DecodeString(strings.TrimSpace(body))
	if err != nil || header != keyHeader {
		return nil, fmt.Errorf("server key %s: not a key of ov-server", path)
	}
	defer clear(seed)
	key, err := channel.ParsePrivateKey(seed)
	if err != nil {
		return nil, fmt.Errorf("server key %s: %w", path, err)
	}
	return key, nil
}

// makeKey makes a key. A file that is there stays as it is.
func makeKey(path string) (*channel.PrivateKey, error) {
	key, err := channel.NewPrivateKey()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s\n%x\n", keyHeader, key.Seed())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("make server key: %w", err)
	}
	return key, nil
}

// ensureKey reads the key. The one of the data folder is made when it is not
// there; one that was named is not: another key would lock every client out.
func (conf *Config) ensureKey() (*channel.PrivateKey, error) {
	key, err := readKey(conf.Key)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if conf.Key != filepath.Join(conf.Data, "server.key") {
		return nil, hint(err, "make one with: ov-server key --new --key %s", conf.Key)
	}
	if err := makeFolder(conf.Data); err != nil {
		return nil, err
	}
	return makeKey(conf.Key)
}

// fingerprint is what a person compares with the words that ov shows.
func fingerprint(public []byte) string { return manifest.Words(public) }

func (c *cli) keyCmd() *cobra.Command {
	var fresh bool
	cmd := &cobra.Command{
		Use: "key", Short: "Show the fingerprint of the server's key", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			conf, err := c.config()
			if err != nil {
				return err
			}
			key, err := readKey(conf.Key)
			if fresh {
				if err := os.MkdirAll(filepath.Dir(conf.Key), 0o700); err != nil {
					return fmt.Errorf("make server key: %w", err)
				}
				key, err = makeKey(conf.Key)
			}
			if errors.Is(err, fs.ErrNotExist) {
				return hint(err, `"ov-server serve" makes one, or "ov-server key --new"`)
			} else if err != nil {
				return err
			}
			fmt.Fprintln(c.out, fingerprint(key.Public()))
			return nil
		},
	}
	cmd.Flags().BoolVar(&fresh, "new", false, "make a key; one that is there is not overwritten")
	return cmd
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/plugins/host"
	"github.com/opaquevault/ov/sdk/provider"
)

// A source is what `ov import SOURCE` names: a provider and its settings.
type source struct {
	provider string
	main     string // what stands after ://, the provider's first setting
	settings map[string]string
}

// parseSource reads NAME://MAIN?key=value&key=value, or the name of a file,
// which is read as dotenv.
func parseSource(text string) (source, error) {
	name, rest, ok := strings.Cut(text, "://")
	if !ok {
		if st, err := os.Stat(text); err == nil && st.Mode().IsRegular() {
			return source{"dotenv", text, map[string]string{}}, nil
		}
		return source{}, misuse{fmt.Errorf("import %q: neither a file nor a PROVIDER:// address", text)}
	}
	main, query, _ := strings.Cut(rest, "?")
	main, err := url.PathUnescape(main)
	if err != nil {
		return source{}, misuse{fmt.Errorf("import %q: %w", text, err)}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return source{}, misuse{fmt.Errorf("import %q: %w", text, err)}
	}
	s := source{name, main, map[string]string{}}
	for k, v := range values {
		if len(v) != 1 {
			return source{}, misuse{fmt.Errorf("import %q: setting %q is given %d times", text, k, len(v))}
		}
		s.settings[k] = v[0]
	}
	return s, nil
}

// complete gives main to the provider's first setting, and makes the paths of
// files absolute: a provider runs in no folder of the person's.
func (s source) complete(info provider.Info) (map[string]string, error) {
	out := map[string]string{}
	for k, v := range s.settings {
		out[k] = v
	}
	if s.main != "" {
		if len(info.Settings) == 0 {
			return nil, misuse{fmt.Errorf("provider %q takes nothing after ://", info.Name)}
		}
		first := info.Settings[0].Name
		if _, twice := out[first]; twice {
			return nil, misuse{fmt.Errorf("setting %q is given twice: after :// and after ?", first)}
		}
		out[first] = s.main
	}
	for _, k := range []string{"file", "path"} {
		if v := out[k]; v != "" && info.Settings[0].Name == k && !filepath.IsAbs(v) {
			abs, err := filepath.Abs(v)
			if err != nil {
				return nil, err
			}
			out[k] = abs
		}
	}
	return out, nil
}

// A registration is a provider that may be started.
type registration struct {
	spec    host.Spec
	builtin bool
}

// find looks a provider up: among the built-in ones, then in the catalog. A
// program on PATH that nobody registered is none.
func (c *cli) find(ctx context.Context, client *agent.Client, name string) (registration, error) {
	path, err := agent.Sibling("ov-provider")
	if err != nil {
		return registration{}, err
	}
	if info, err := describe(ctx, path, name); err == nil {
		return registration{host.Spec{Path: path, Args: []string{name}, Grant: info.Environment}, true}, nil
	}
	all, err := client.Catalog(ctx)
	if err != nil {
		return registration{}, err
	}
	for _, r := range all {
		if r.Name == name {
			return registration{spec: host.Spec{Path: r.Path, Args: r.Args, SHA256: r.SHA256, Grant: r.Environment}}, nil
		}
	}
	return registration{}, hinted{fmt.Errorf("provider %q: %w", name, agent.ErrNotFound), `"ov provider list" shows them; "ov provider add FILE" registers one`}
}

// maxDescribe bounds what a provider says about itself.
const maxDescribe = 64 << 10

// describe asks a provider program what it is, without starting it as a
// provider: with no environment but PATH and no input.
func describe(ctx context.Context, path string, args ...string) (provider.Info, error) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, path, append(args, "--describe")...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
	cmd.Dir = "/"
	cmd.WaitDelay = time.Second
	out := &bounded{}
	cmd.Stdout = out
	var info provider.Info
	if err := cmd.Run(); err != nil {
		return info, fmt.Errorf("describe %q: %w", path, err)
	}
	if err := json.Unmarshal(out.b.Bytes(), &info); err != nil || info.Name == "" {
		return info, fmt.Errorf("describe %q: %w", path, host.ErrProtocol)
	}
	return info, nil
}

// bounded keeps the first bytes of what is written to it.
type bounded struct{ b bytes.Buffer }

func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), maxDescribe-w.b.Len())])
	return len(p), nil
}

// start runs a provider, configured.
func (c *cli) start(ctx context.Context, client *agent.Client, s source) (*host.Provider, provider.Account, map[string]string, func(), error) {
	fail := func(err error) (*host.Provider, provider.Account, map[string]string, func(), error) {
		return nil, provider.Account{}, nil, nil, err
	}
	r, err := c.find(ctx, client, s.provider)
	if err != nil {
		return fail(err)
	}
	if r.spec.RunDir, err = runFolder(); err != nil {
		return fail(err)
	}
	p, err := host.Start(ctx, r.spec)
	if err != nil {
		os.RemoveAll(r.spec.RunDir)
		return fail(err)
	}
	end := func() { p.Close(); os.RemoveAll(r.spec.RunDir) }
	settings, err := s.complete(p.Info())
	if err == nil {
		var account provider.Account
		if account, err = p.Configure(ctx, settings); err == nil {
			return p, account, settings, end, nil
		}
	}
	end()
	return fail(err)
}

const (
	folderPrefix = "ov-import-"
	// longest is how long the folder for temporary files may be: what is put below
	// it must fit into a socket's address of 104 bytes.
	longest = 20
)

// shortTemp is where the folders of sockets are made.
func shortTemp() string {
	if dir := os.TempDir(); len(dir) <= longest {
		return dir
	}
	return "/tmp"
}

// runFolder makes a private folder for a provider's socket, and removes those
// that killed imports have left.
func runFolder() (string, error) {
	old, _ := filepath.Glob(filepath.Join(shortTemp(), folderPrefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), folderPrefix), "-")
		n, err := strconv.Atoi(pid)
		st, lerr := os.Lstat(dir)
		if err != nil || lerr != nil || !st.IsDir() || !ours(st) || !gone(n) {
			continue
		}
		os.RemoveAll(dir)
	}
	return os.MkdirTemp(shortTemp(), fmt.Sprintf("%s%d-", folderPrefix, os.Getpid()))
}

package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

func start(t *testing.T, mode string) *Provider {
	t.Helper()
	p, err := Start(t.Context(), self(mode, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// fetch collects what became of each reference.
func fetch(ctx context.Context, p *Provider, refs ...string) map[string]Item {
	got := map[string]Item{}
	for i := range p.Fetch(ctx, refs) {
		got[i.Ref] = i
	}
	return got
}

func TestRoundTrip(t *testing.T) {
	p := start(t, "honest")
	a, err := p.Configure(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(a.Name, "\x1b\x07") {
		t.Errorf("account %q carries control characters", a.Name)
	}
	if a.Cost != (provider.Cost{Read: 7}) { // the others make no sense
		t.Errorf("cost %+v", a.Cost)
	}
	n := 0
	for e, err := range p.List(t.Context(), provider.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; e.Ref != "r0" {
			t.Errorf("entry %+v", e)
		}
	}
	if n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	got := fetch(t.Context(), p, "r0", "r1", "r2")
	for _, ref := range []string{"r0", "r1", "r2"} {
		if i := got[ref]; i.Err != nil || string(i.Value.Reveal()) != canary {
			t.Errorf("%s: %v", ref, i.Err)
		}
	}
}

func TestUnknownSettingIsRefused(t *testing.T) {
	p := start(t, "honest")
	if _, err := p.Configure(t.Context(), map[string]string{"colour": "red"}); provider.CodeOf(err) != provider.Invalid {
		t.Errorf("Configure: %v, want invalid", err)
	}
}

// TestEnvironment: the plugin sees the allow-list, nothing of ours.
func TestEnvironment(t *testing.T) {
	for _, k := range []string{"OV_PASSWORD", "AWS_SECRET_ACCESS_KEY", "GRANTED_ONE", "LD_PRELOAD_NOT", "PLUGIN_X"} {
		t.Setenv(k, canary)
	}
	s := self("env", t.TempDir())
	s.Grant = []string{"GRANTED_ONE", "OV_PASSWORD", "PLUGIN_X"}
	p, err := Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var with []string
	path := false
	for _, kv := range p.Info().Doors {
		k, v, _ := strings.Cut(kv, "=")
		path = path || k == "PATH"
		if v == canary {
			with = append(with, k)
		}
	}
	if len(with) != 1 || with[0] != "GRANTED_ONE" || !path {
		t.Errorf("variables of ours that it saw: %v, PATH %v; want GRANTED_ONE alone, and PATH", with, path)
	}
}

// TestStdinIsALifeline: what is piped to the host never reaches the plugin.
func TestStdinIsALifeline(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = r
	defer func() { os.Stdin = old }()
	io.WriteString(w, canary+"\n")
	p := start(t, "honest")
	fetch(t.Context(), p, "r0") // its lifeline reader has had its chance
	w.Close()
	if left, _ := io.ReadAll(r); string(left) != canary+"\n" {
		t.Errorf("host input after the plugin ran: %q", left)
	}
}

func TestHandshakeFaults(t *testing.T) {
	for _, mode := range []string{"garbage", "chatter", "tcp", "netrpc", "version", "exit", "silent"} {
		t.Run(mode, func(t *testing.T) {
			s := self(mode, t.TempDir())
			s.Timeout = 3 * time.Second
			p, err := Start(t.Context(), s)
			if err == nil {
				p.Close()
				t.Fatal("started")
			}
			if !errors.Is(err, ErrProtocol) || strings.Contains(err.Error(), canary) {
				t.Errorf("error %q, want ErrProtocol and nothing that the plugin printed", err)
			}
			if left, _ := os.ReadDir(s.RunDir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestValuesNeverShow(t *testing.T) {
	p := start(t, "stderr")
	fetch(t.Context(), p, "r0")
	deadline := time.Now().Add(10 * time.Second)
	for !strings.Contains(p.Said(), "debug: r0 is") && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	if s := p.Said(); !strings.Contains(s, "debug: r0 is [REDACTED:") || strings.Contains(s, canary) {
		t.Errorf("standard error shown as %q", s)
	}

	p = start(t, "errtext")
	got := fetch(t.Context(), p, "r0", "r1")
	err := got["r1"].Err
	if provider.CodeOf(err) != provider.Denied || strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), "\x1b") || len(err.Error()) > 2*maxMessage {
		t.Errorf("error shown as %q", err)
	}

	p = start(t, "goerror")
	err = fetch(t.Context(), p, "r0")["r0"].Err
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("an error that is not the SDK's shown as %v", err)
	}
}

func TestCrashAnswersTheRest(t *testing.T) {
	p := start(t, "crash")
	got := fetch(t.Context(), p, "r0", "r1")
	if got["r0"].Err != nil {
		t.Errorf("r0: %v", got["r0"].Err)
	}
	if got["r1"].Err == nil {
		t.Error("r1: no error after the crash")
	}
}

func TestLimits(t *testing.T) {
	if err := fetch(t.Context(), start(t, "huge"), "r0")["r0"].Err; provider.CodeOf(err) != provider.TooLarge {
		t.Errorf("64 MiB value: %v", err)
	}
	if err := fetch(t.Context(), start(t, "toolarge"), "r0")["r0"].Err; provider.CodeOf(err) != provider.TooLarge {
		t.Errorf("1 MiB + 1 value: %v", err)
	}
	for _, err := range start(t, "longref").List(t.Context(), provider.Query{}) {
		if provider.CodeOf(err) != provider.Invalid {
			t.Errorf("long reference: %v", err)
		}
	}
}

func TestCancel(t *testing.T) {
	p := start(t, "slow")
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if _, err := p.Configure(ctx, nil); err == nil {
		t.Error("configured a provider that never answers")
	}
}

// TestWhatWasHashedRuns: the file is replaced after it was loaded.
func TestWhatWasHashedRuns(t *testing.T) {
	exe, _ := os.Executable()
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "provider")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	im, err := load(path, hex.EncodeToString(sum[:]), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer im.remove()
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho swapped\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	run, err := os.ReadFile(im.path)
	if err != nil || sha256.Sum256(run) != sum {
		t.Errorf("image changed with the file: %v", err)
	}
	if err := os.WriteFile(im.path, []byte("x"), 0o755); err == nil && sha256.Sum256(must(os.ReadFile(im.path))) != sum {
		t.Error("image can be written to")
	}
	if _, err := load(path, hex.EncodeToString(sum[:]), t.TempDir()); !errors.Is(err, ErrChanged) {
		t.Errorf("load of a changed file: %v, want ErrChanged", err)
	}
}

func must(b []byte, _ error) []byte { return b }

package host

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin/runner"
)

// process is go-plugin's runner with the holes of its own one closed: no
// standard input of ours, no environment of ours, a group to kill, and an end
// that comes with the end of the host.
type process struct {
	cmd            *exec.Cmd
	image          *image
	lifeline       *os.File // our end; the child's standard input ends when it closes
	stdout, stderr *os.File // our ends
	theirs         []*os.File
	done           chan struct{}
	err            error
	kill           sync.Once
}

// newRunner returns what go-plugin calls to make the process. cmd comes with
// go-plugin's own variables and, since SkipHostEnv is set, with no others.
func newRunner(s Spec, im *image) func(hclog.Logger, *exec.Cmd, string) (runner.Runner, error) {
	return func(_ hclog.Logger, given *exec.Cmd, _ string) (runner.Runner, error) {
		p := &process{image: im, done: make(chan struct{})}
		cmd := exec.Command(im.path, s.Args...)
		cmd.Args[0] = s.Path
		cmd.Dir = "/"
		cmd.Env = append(environment(os.Environ(), s.Grant), plumbing(given.Env)...)
		cmd.SysProcAttr = attributes()
		if err := p.pipes(cmd); err != nil {
			return nil, fmt.Errorf("start provider: %w", err)
		}
		p.cmd = cmd
		return p, nil
	}
}

// plumbing keeps what go-plugin added for its handshake.
func plumbing(env []string) []string {
	var out []string
	for _, kv := range env {
		if strings.HasPrefix(kv, "PLUGIN_") || strings.HasPrefix(kv, cookieKey+"=") {
			out = append(out, kv)
		}
	}
	return out
}

func (p *process) pipes(cmd *exec.Cmd) error {
	for _, end := range []struct {
		child, ours **os.File
		in          bool
	}{{ours: &p.lifeline, in: true}, {ours: &p.stdout}, {ours: &p.stderr}} {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeAll()
			return err
		}
		child := w
		if end.in {
			child, *end.ours = r, w
		} else {
			*end.ours = r
		}
		p.theirs = append(p.theirs, child)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.theirs[0], p.theirs[1], p.theirs[2]
	return nil
}

func (p *process) closeAll() {
	for _, f := range append(p.theirs, p.lifeline, p.stdout, p.stderr) {
		if f != nil {
			f.Close()
		}
	}
}

// Start starts the process on the thread that never ends, see onThread.
func (p *process) Start(context.Context) error {
	err := onThread(p.cmd.Start)
	for _, f := range p.theirs {
		f.Close()
	}
	p.image.remove()
	if err != nil {
		p.closeAll()
		close(p.done)
		return fmt.Errorf("start provider: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return nil
}

// Wait returns when the process has ended.
func (p *process) Wait(context.Context) error {
	<-p.done
	return p.err
}

// Kill ends the process and its group.
func (p *process) Kill(context.Context) error {
	p.kill.Do(func() {
		p.lifeline.Close()
		if p.cmd.Process != nil {
			killGroup(p.cmd.Process.Pid)
		}
	})
	return nil
}

func (p *process) Stdout() io.ReadCloser           { return p.stdout }
func (p *process) Stderr() io.ReadCloser           { return p.stderr }
func (p *process) Name() string                    { return "provider" }
func (p *process) ID() string                      { return strconv.Itoa(p.cmd.Process.Pid) }
func (p *process) Diagnose(context.Context) string { return "" }

// PluginToHost accepts unix sockets only: a provider must not make the host
// dial elsewhere.
func (p *process) PluginToHost(network, addr string) (string, string, error) {
	if network != "unix" {
		return "", "", fmt.Errorf("provider listens on %q, want unix", network)
	}
	return network, addr, nil
}

// HostToPlugin changes nothing: both see the same files.
func (p *process) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

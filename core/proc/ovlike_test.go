//go:build linux || darwin

package proc

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// runLikeOv is what the programs above do with a child: read, pass on (unmasked here), wait, exit as it did. Flags come before
// the program: --pty, --no-pty, --leader.
func runLikeOv(args []string) {
	mode, s := Auto, Spec{Relay: true, Stdin: os.Stdin, Env: os.Environ()}
	for ; strings.HasPrefix(args[0], "--"); args = args[1:] {
		switch args[0] {
		case "--pty":
			mode = Always
		case "--no-pty":
			mode = Never
		case "--leader":
			s.Leader = true
		}
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "ovlike:", err)
			os.Exit(125)
		}
	}
	for i, kv := range s.Env { // what our child plays is given in another variable
		if play, ok := strings.CutPrefix(kv, "NEXT_CHILD="); ok {
			s.Env[i] = childKey + "=" + play
		} else if strings.HasPrefix(kv, childKey+"=") {
			s.Env[i] = "PLAYED=1"
		}
	}
	var err error
	s.Terminal, err = NewTerminal(mode, os.Stdin, os.Stdout, os.Stderr)
	fail(err)
	s.Path, err = Resolve(args[0], "", s.Env)
	fail(err)
	s.Args = args
	p, err := Start(s)
	fail(err)
	var wg sync.WaitGroup
	carry := func(dst io.Writer, src io.Reader) {
		if src != nil {
			wg.Go(func() { io.Copy(dst, src) })
		}
	}
	carry(os.Stdout, p.Stdout)
	carry(os.Stderr, p.Stderr)
	if p.Tty != nil {
		carry(s.Terminal.Device, p.Tty)
	}
	wg.Wait()
	st, err := p.Wait()
	p.Close()
	fail(err)
	os.Exit(st.Exit())
}

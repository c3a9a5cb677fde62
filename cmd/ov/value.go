package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/opaquevault/ov/cmd/exit"
	"github.com/opaquevault/ov/core/secret"
)

// ttyLine is the longest line that a terminal hands over; more is cut silently.
const ttyLine = 4095

// valueFlags say where the value of a secret comes from. It never comes from argv.
type valueFlags struct {
	stdin, raw, plain bool
	file, generate    string
	tags              []string
}

func (v *valueFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&v.stdin, "stdin", false, "read the value from stdin; one trailing newline is dropped")
	f.BoolVar(&v.raw, "raw", false, "with --stdin or --file: keep the trailing newline")
	f.StringVar(&v.file, "file", "", "read the value from a `file`; one trailing newline is dropped")
	f.StringVar(&v.generate, "generate", "", "make a random value: `LENGTH[:ALPHABET]`, alnum, hex, digits, base64url or ascii")
	f.Lookup("generate").NoOptDefVal = "32:alnum"
	f.BoolVar(&v.plain, "plain", false, "no secret: injected, but not masked")
	f.StringSliceVar(&v.tags, "tag", nil, "a tag; can be given several times")
}

// read gets the value and checks it. The caller wipes it.
func (v *valueFlags) read(c *cli, ref secret.Ref) (secret.Value, error) {
	value, err := v.source(c, ref)
	if err != nil {
		return value, err
	}
	if err := value.Check(v.plain); err != nil {
		value.Wipe()
		return value, fmt.Errorf("store %q: %w", ref, err)
	}
	return value, nil
}

func (v *valueFlags) source(c *cli, ref secret.Ref) (secret.Value, error) {
	switch {
	case v.stdin && (v.file != "" || v.generate != "") || v.file != "" && v.generate != "":
		return secret.Value{}, misuse{errors.New("--stdin, --file and --generate exclude each other")}
	case v.generate != "":
		return generate(v.generate)
	case v.file != "":
		f, err := os.Open(v.file)
		if err != nil {
			return secret.Value{}, fmt.Errorf("read value: %w", err)
		}
		defer f.Close()
		return secret.Read(f, v.raw)
	case v.stdin && c.passwordStdin:
		return secret.Value{}, misuse{errors.New("--stdin and --password-stdin both want stdin")}
	case v.stdin:
		return secret.Read(c.in, v.raw)
	}
	return c.prompt(fmt.Sprintf("Value of %s (not shown): ", ref))
}

// prompt asks on the terminal without echo.
func (c *cli) prompt(question string) (secret.Value, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return secret.Value{}, hinted{errors.New("read value: no terminal to ask on"), "use --stdin, --file or --generate"}
	}
	defer tty.Close()
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return secret.Value{}, fmt.Errorf("read value: %w", err)
	}
	// Ctrl-C must not leave the terminal without echo.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(interrupted)
	go func() {
		if s, ok := <-interrupted; ok {
			term.Restore(int(tty.Fd()), before)
			os.Exit(exitSignal + int(s.(syscall.Signal)))
		}
	}()
	io.WriteString(tty, exit.Clean(question))
	b, err := term.ReadPassword(int(tty.Fd()))
	io.WriteString(tty, "\n")
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return secret.Value{}, fmt.Errorf("read value: %w", err)
	case len(b) >= ttyLine:
		clear(b)
		return secret.Value{}, hinted{fmt.Errorf("read value: a terminal hands over at most %d bytes a line", ttyLine), "use --stdin or --file"}
	}
	return secret.New(b), nil
}

// generate reads LENGTH[:ALPHABET].
func generate(spec string) (secret.Value, error) {
	length, alphabet, _ := strings.Cut(spec, ":")
	n, err := strconv.Atoi(length)
	if err != nil {
		return secret.Value{}, misuse{fmt.Errorf("--generate: length %q is no number", length)}
	}
	v, err := secret.Generate(n, alphabet)
	if err != nil {
		return v, misuse{fmt.Errorf("--generate: %w", err)}
	}
	return v, nil
}

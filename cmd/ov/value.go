package main

import (
	"bytes"
	"crypto/rand"
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
		return readValue(f, v.raw)
	case v.stdin && c.passwordStdin:
		return secret.Value{}, misuse{errors.New("--stdin and --password-stdin both want stdin")}
	case v.stdin:
		return readValue(c.in, v.raw)
	}
	return c.prompt(fmt.Sprintf("Value of %s (not shown): ", ref))
}

// readValue reads at most one byte more than a value may have, so that a
// longer one is refused rather than cut.
func readValue(r io.Reader, raw bool) (secret.Value, error) {
	buf := make([]byte, secret.MaxValue+3)
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buf)
		return secret.Value{}, fmt.Errorf("read value: %w", err)
	}
	b := buf[:n]
	if !raw {
		b = trimNewline(b)
	}
	return secret.New(b), nil
}

// trimNewline drops one newline, LF or CR LF, from the end.
func trimNewline(b []byte) []byte {
	if line, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		return bytes.TrimSuffix(line, []byte("\r"))
	}
	return b
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
	io.WriteString(tty, clean(question))
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

// alphabets that --generate knows by name.
func alphabet(name string) (string, error) {
	const lower, upper, digits = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	switch name {
	case "", "alnum":
		return upper + lower + digits, nil
	case "hex":
		return digits + "abcdef", nil
	case "digits":
		return digits, nil
	case "base64url":
		return upper + lower + digits + "-_", nil
	case "ascii":
		return upper + lower + digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~", nil
	}
	return "", misuse{fmt.Errorf("--generate: alphabet %q: want alnum, hex, digits, base64url or ascii", name)}
}

// generate makes a random value, each character drawn alike.
func generate(spec string) (secret.Value, error) {
	length, name, _ := strings.Cut(spec, ":")
	n, err := strconv.Atoi(length)
	if err != nil || n < 8 || n > 4096 {
		return secret.Value{}, misuse{fmt.Errorf("--generate: length %q: want 8 to 4096", length)}
	}
	letters, err := alphabet(name)
	if err != nil {
		return secret.Value{}, err
	}
	return secret.New(draw(n, letters)), nil
}

// draw returns n characters, each of letters as likely as any other.
func draw(n int, letters string) []byte {
	b, pool := make([]byte, 0, n), make([]byte, 64)
	fair := 256 - 256%len(letters) // a byte from here on would favour the first letters
	for len(b) < n {
		rand.Read(pool)
		for _, r := range pool {
			if int(r) < fair && len(b) < n {
				b = append(b, letters[int(r)%len(letters)])
			}
		}
	}
	clear(pool)
	return b
}

package secret

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
)

// Bounds of Generate, in characters.
const (
	MinGenerate = 8
	MaxGenerate = 4096
)

// Read takes the whole of r as a value. Unless raw, one newline at its end, LF
// or CR LF, is dropped: files and commands end in one, values do not. It reads
// a little more than a value may have, so that a longer one fails Check instead
// of being cut.
func Read(r io.Reader, raw bool) (Value, error) {
	buf := make([]byte, MaxValue+3)
	n, err := io.ReadFull(r, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		clear(buf)
		return Value{}, fmt.Errorf("read value: %w", err)
	}
	b := buf[:n]
	if line, ok := bytes.CutSuffix(b, []byte("\n")); ok && !raw {
		b = bytes.TrimSuffix(line, []byte("\r"))
	}
	return New(b), nil
}

// Generate makes a random value of n characters, each of the alphabet as likely
// as any other. The alphabets are alnum (the default), hex, digits, base64url
// and ascii.
func Generate(n int, alphabet string) (Value, error) {
	if n < MinGenerate || n > MaxGenerate {
		return Value{}, fmt.Errorf("length %d: want %d to %d", n, MinGenerate, MaxGenerate)
	}
	letters, ok := alphabets()[alphabet]
	if !ok {
		return Value{}, fmt.Errorf("alphabet %q: want alnum, hex, digits, base64url or ascii", alphabet)
	}
	return New(draw(n, letters)), nil
}

func alphabets() map[string]string {
	const letters, digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "0123456789"
	return map[string]string{
		"": letters + digits, "alnum": letters + digits,
		"hex": digits + "abcdef", "digits": digits,
		"base64url": letters + digits + "-_",
		"ascii":     letters + digits + "!#$%&()*+,-./:;<=>?@[]^_{|}~",
	}
}

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

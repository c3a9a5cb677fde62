package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/opaquevault/ov/core/secret"
)

func setFor(t testing.TB, values string, o Options) *Set {
	t.Helper()
	s, err := Compile(named(values), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// brittle fails at its nth write, or takes only a part of it.
type brittle struct {
	bytes.Buffer
	n     int
	short bool
}

var errBroken = errors.New("broken pipe")

func (b *brittle) Write(p []byte) (int, error) {
	if b.n--; b.n > 0 {
		return b.Buffer.Write(p)
	}
	if b.short {
		n, _ := b.Buffer.Write(p[:len(p)/2])
		return n, nil
	}
	return 0, errBroken
}

// TestSinkFails fails each write of a stream in turn: the error is reported, then
// and ever after, and nothing follows what went out before it.
func TestSinkFails(t *testing.T) {
	s := setFor(t, token, Options{})
	stream := strings.Repeat("some text "+token+" more text\n", 3)
	var whole bytes.Buffer
	w := NewWriter(&whole, s, nil)
	io.WriteString(w, stream)
	w.Close()
	for _, short := range []bool{false, true} {
		want := errBroken
		if short {
			want = io.ErrShortWrite
		}
		for n := 1; n <= 7; n++ {
			sink := &brittle{n: n, short: short}
			w := NewWriter(sink, s, nil)
			_, err := io.WriteString(w, stream)
			if err == nil {
				err = w.Close()
			}
			if !errors.Is(err, want) {
				t.Fatalf("write %d fails: got %v, want %v", n, err, want)
			}
			if !strings.HasPrefix(whole.String(), sink.String()) {
				t.Errorf("write %d fails: %q went out", n, sink.String())
			}
			out := sink.Len()
			if _, err := io.WriteString(w, token+"\n"); !errors.Is(err, want) {
				t.Errorf("a later write: %v, want %v", err, want)
			}
			if err := w.Close(); !errors.Is(err, want) {
				t.Errorf("close: %v, want %v", err, want)
			}
			if sink.Len() != out {
				t.Error("something was written after the failure")
			}
		}
	}
}

func TestReadFrom(t *testing.T) {
	s := setFor(t, token+"|"+phrase, Options{})
	r := rand.New(rand.NewPCG(31, 32))
	stream := hostile(r, named(token+"|"+phrase), 5000)
	var want bytes.Buffer
	w := NewWriter(&want, s, nil)
	w.Write(stream)
	w.Close()
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader,
		"halves": iotest.HalfReader, "data with the end": iotest.DataErrReader,
	} {
		var got bytes.Buffer
		w := NewWriter(&got, s, nil)
		n, err := w.ReadFrom(wrap(bytes.NewReader(stream)))
		if n != int64(len(stream)) || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		w.Close()
		if got.String() != want.String() {
			t.Errorf("%s: got %q", name, got.String())
		}
	}
	w = NewWriter(io.Discard, s, nil)
	if _, err := w.ReadFrom(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errBroken))); !errors.Is(err, errBroken) {
		t.Errorf("a reader that fails: %v", err)
	}
}

// TestLongWrites cuts a stream into writes that are long enough to be searched
// in place behind what is held.
func TestLongWrites(t *testing.T) {
	needles := named(token + "|" + phrase)
	s, err := Compile(needles, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(33, 34))
	stream := hostile(r, needles, 300_000)
	var want bytes.Buffer
	w := NewWriter(&want, s, nil)
	for at := 0; at < len(stream); at += 100 {
		w.Write(stream[at:min(at+100, len(stream))])
	}
	w.Close()
	for range 10 {
		var got bytes.Buffer
		w := NewWriter(&got, s, nil)
		for at := 0; at < len(stream); {
			n := min(1+r.IntN(1<<(3+r.IntN(16))), len(stream)-at)
			w.Write(stream[at : at+n])
			at += n
		}
		w.Close()
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatal("long writes give another output than short ones")
		}
	}
}

// TestHugeWrite: one write of a value that is held back over many blocks.
func TestHugeWrite(t *testing.T) {
	value := make([]byte, 40*blockSize)
	r := rand.New(rand.NewPCG(35, 36))
	for i := range value {
		value[i] = 'a' + byte(r.IntN(26))
	}
	s, err := Compile([]Needle{{"A", secret.New(value)}}, Options{Lanes: Exact})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := NewWriter(&out, s, nil)
	if _, err := w.Write(slices.Concat([]byte("<"), value, []byte(">"))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil || out.String() != "<[REDACTED:A]>" {
		t.Errorf("%.60q, %v", out.String(), err)
	}
}

// TestByteByByte prints a long secret a byte at a time: what is held is long, and
// each write must not cost what all that is held does many times over.
func TestByteByByte(t *testing.T) {
	r := rand.New(rand.NewPCG(35, 36))
	value := make([]byte, 3000)
	for i := range value {
		value[i] = token[4+r.IntN(len(token)-4)]
	}
	var out bytes.Buffer
	w := NewWriter(&out, setFor(t, string(value), Options{}), nil)
	for _, c := range value {
		w.Write([]byte{c})
	}
	w.Close()
	if out.String() != "[REDACTED:A]" {
		t.Errorf("got %d bytes", out.Len())
	}
}

// TestLifecycle is about what comes after Flush and Close.
func TestLifecycle(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, setFor(t, token, Options{Lanes: Exact}), nil)
	io.WriteString(w, token[:20])
	if out.Len() != 0 || w.Held() != 20 {
		t.Errorf("%q went out, %d held", out.String(), w.Held())
	}
	w.Flush()
	io.WriteString(w, token[20:]+token)
	if got, want := out.String(), token+"[REDACTED:A]"; got != want {
		t.Errorf("after a flush: %q, want %q", got, want)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if _, err := io.WriteString(w, "x"); !errors.Is(err, ErrClosed) {
		t.Errorf("write after close: %v", err)
	}
}

// TestAdd makes a secret known in the middle of its own first appearance.
func TestAdd(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, setFor(t, token, Options{}), nil)
	io.WriteString(w, "before "+phrase+" "+token[:15])
	if err := w.Add(needle("NEW", phrase), needle("SAME", token[:10])); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, token[15:]+" after "+phrase+" "+token[:10]+".")
	w.Close()
	if got, want := out.String(), "before "+phrase+" [REDACTED:A] after [REDACTED:NEW] [REDACTED:SAME]."; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if err := w.Add(needle("TINY", "abc")); !errors.Is(err, ErrShort) {
		t.Errorf("three bytes: %v", err)
	}
}

// TestEcho releases what a person types, and masks what comes of it.
func TestEcho(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, setFor(t, token, Options{Lanes: Exact}), nil)
	io.WriteString(w, "$ ghp_")
	if w.Echo([]byte("xyz")); out.String() != "$ " {
		t.Errorf("%q was released by other typing", out.String())
	}
	if w.Echo([]byte("echo ghp_")); out.String() != "$ ghp_" || w.Held() != 0 {
		t.Errorf("typing released %q, %d held", out.String(), w.Held())
	}
	io.WriteString(w, token[4:]+" and "+token+"\n")
	w.Close()
	if got, want := out.String(), "$ ghp_[REDACTED:A] and [REDACTED:A]\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPrompts holds that what programs ask appears at once, with all lanes on.
func TestPrompts(t *testing.T) {
	s := setFor(t, token+"|correct horse battery|Tr0ub4dor&3 yes no", Options{})
	for _, prompt := range []string{"Password: ", "Username for 'https://host': ", "Continue? [y/N] ", "> ", ">>> ", "db=# ", "user@host:~$ ", "done.\n", "INFO hello world\n", "\x1b[32m?\x1b[0m Name: ", "Enter passphrase for key 'id': "} {
		w := NewWriter(io.Discard, s, nil)
		io.WriteString(w, prompt)
		if w.Held() > 0 {
			t.Errorf("%d bytes of %q are held", w.Held(), prompt)
		}
	}
}

// TestPromptsBesideManySecrets: nor with so many secrets that some begin with any character; at most the space at the end is held, when
// an encoding of one begins with it.
func TestPromptsBesideManySecrets(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 50))
	var needles []Needle
	for i := range 50 {
		b := make([]byte, 24)
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		form := []string{base64.StdEncoding.EncodeToString(b), hex.EncodeToString(b), "sk-" + base64.RawURLEncoding.EncodeToString(b)}[i%3]
		needles = append(needles, needle(fmt.Sprint("S", i), form))
	}
	s, err := Compile(needles, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, prompt := range []string{"bash-5.2# ", "\x1b[?2004hbash-5.2# ", "$ ", "% ", "host% ", ">>> ", "12:30 $ ", "(venv) user@host:~/x$ ", "mysql> ",
		"Password: ", "[y/N] ", "Continue? [y/N]: ", "(y/n) ", "Do you want to continue? [Y/n] ", "Proceed (y or n)? ", "sqlite> ",
		"(gdb) ", "db:/# ", "ov> ", "a.b> ", "done in 1.2s\n", "127.0.0.1\n", "see e.g. /etc/a\n", "root@3f2a1b:/# ", "user@host:~$ ", "~/a/b % ", "In [1]: ", "8\r\n>>> ", "8\r\n> ", "a\n$ ", "3\r\n(gdb) "} {
		w := NewWriter(io.Discard, s, nil)
		io.WriteString(w, "some output\r\n")
		io.WriteString(w, prompt)
		if w.Held() > 1 {
			t.Errorf("%d bytes of %q are held", w.Held(), prompt)
		}
	}
}

// TestFlatMemory holds that a stream needs no more memory the longer it is.
func TestFlatMemory(t *testing.T) {
	w := NewWriter(io.Discard, setFor(t, token, Options{}), nil)
	block := []byte(strings.Repeat("text "+token[:30]+" \n"+fold(token[:9], 1), 500))
	size := func() int { return cap(w.buf) + cap(w.view.text) + 16*cap(w.view.marks) + 40*cap(w.spans) }
	for range 4 {
		w.Write(block)
	}
	before := size()
	for range 200 {
		w.Write(block)
	}
	if after := size(); after > before {
		t.Errorf("%d bytes of buffers after 4 blocks, %d after 200", before, after)
	}
	// Nor does a gap that does not end.
	io.WriteString(w, token[:8])
	for range 2000 {
		io.WriteString(w, "\x1b[0m \r")
	}
	if w.Held() > len(token)*(maxGap+maxEscape) || cap(w.buf) > 1<<20 {
		t.Errorf("%d bytes are held across a gap without an end", w.Held())
	}
}

// TestNoAllocations holds a line a write to the memory that the stream has.
func TestNoAllocations(t *testing.T) {
	w := NewWriter(io.Discard, setFor(t, token, Options{}), nil)
	line := []byte("2026-11-21T09:31:32Z INFO request completed with status 200 in 31 ms\n")
	w.Write(line)
	if n := testing.AllocsPerRun(100, func() { w.Write(line) }); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}

// TestHammer shares one set among many streams.
func TestHammer(t *testing.T) {
	needles := named(token + "|" + phrase + "|1234")
	s, err := Compile(needles, Options{})
	if err != nil {
		t.Fatal(err)
	}
	stream := hostile(rand.New(rand.NewPCG(41, 42)), needles, 2000)
	k := known(t, needles, Options{})
	want, _ := oracle(&k, needles, stream)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for range 10 {
				var out bytes.Buffer
				w := NewWriter(&out, s, nil)
				at := 0
				for _, c := range append(randomCuts(r, len(stream)), len(stream)) {
					w.Write(stream[at:c])
					at = c
				}
				w.Close()
				if out.String() != want {
					t.Error("another output beside others")
				}
			}
		})
	}
	wg.Wait()
}

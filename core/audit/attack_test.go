package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/disktest"
)

func survived(t *testing.T, n int, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		fmt.Printf("attack %02d: %s\n", n, fmt.Sprintf(format, args...))
	}
}

// written makes a log of 600 records: two signed epochs and a bit.
func written(t *testing.T) (dir string, lines [][]byte) {
	t.Helper()
	dir = t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 600)
	l.Close()
	b, err := os.ReadFile(filePath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	lines = bytes.SplitAfter(b, []byte("\n"))
	if lines = lines[:len(lines)-1]; len(lines) != 603 {
		t.Fatalf("%d lines", len(lines))
	}
	return dir, lines
}

// lineOf is where record n stands: behind the start line and the seals.
func lineOf(n int) int { return n + (n-1)/epochSize }

func join(lines ...[][]byte) []byte {
	var out []byte
	for _, l := range lines {
		out = append(out, bytes.Join(l, nil)...)
	}
	return out
}

func rewrite(t *testing.T, dir string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filePath(dir, 1), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// verified returns what Verify says; opening the log must not hide it.
func verified(t *testing.T, dir string) Report {
	t.Helper()
	r, err := Verify(dir, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAttack23Altered(t *testing.T) {
	dir, lines := written(t)
	if r := verified(t, dir); r != (Report{Records: 600, Epochs: 2}) {
		t.Fatalf("untouched: %+v", r)
	}
	edit := func(i int, from, to string) [][]byte {
		out := append([][]byte(nil), lines...)
		out[i] = bytes.Replace(lines[i], []byte(from), []byte(to), 1)
		if bytes.Equal(out[i], lines[i]) {
			t.Fatalf("line %d has no %q", i, from)
		}
		return out
	}
	swapped := append([][]byte(nil), lines...)
	swapped[lineOf(300)], swapped[lineOf(301)] = swapped[lineOf(301)], swapped[lineOf(300)]
	at := lineOf(300)
	for what, c := range map[string]struct {
		b    []byte
		want uint64
	}{
		"edited":             {join(edit(at, "ACCESSED", "LISTED")), 300},
		"first edited":       {join(edit(lineOf(1), "ACCESSED", "LISTED")), 1},
		"last edited":        {join(edit(lineOf(600), "ACCESSED", "LISTED")), 600},
		"deleted":            {join(lines[:at], lines[at+1:]), 300},
		"doubled":            {join(lines[:at+1], lines[at:]), 301},
		"inserted":           {join(lines[:at], lines[lineOf(20):lineOf(20)+1], lines[at:]), 300},
		"reordered":          {join(swapped), 300},
		"first deleted":      {join(lines[:1], lines[2:]), 1},
		"start deleted":      {join(lines[1:]), 1},
		"start edited":       {join(edit(0, `"next":"`, `"next":"x`)), 1},
		"two starts":         {join(lines[:1], lines), 1},
		"seal deleted":       {join(lines[:lineOf(256)+1], lines[lineOf(257):]), 257},
		"seal edited":        {join(edit(lineOf(256)+1, `"seal":0`, `"seal":1`)), 257},
		"an epoch deleted":   {join(lines[:1], lines[lineOf(257):]), 1},
		"cut by one":         {join(lines[:lineOf(600)]), 600},
		"cut to a seal":      {join(lines[:lineOf(512)+2]), 513},
		"cut to nothing":     {nil, 1},
		"cut within a line":  {join(lines)[:len(join(lines))-10], 600},
		"something appended": {append(join(lines), "{}\n"...), 601},
		"forged at the end":  {append(join(lines), lines[at]...), 601},
		"a line of zeros":    {append(join(lines), append(make([]byte, 200), '\n')...), 601},
	} {
		rewrite(t, dir, c.b)
		if r := verified(t, dir); r.Bad != c.want || r.Problem == "" || r.Records != c.want-1 {
			t.Errorf("%s: %+v, want %d", what, r, c.want)
		}
	}
	rewrite(t, dir, join(lines))
	// Another log, whole in itself, in its place.
	other, otherLines := written(t)
	_ = other
	rewrite(t, dir, join(otherLines))
	if r := verified(t, dir); r.Bad == 0 {
		t.Error("replaced: not noticed")
	}
	if err := os.Remove(filePath(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); r.Bad != 1 {
		t.Errorf("removed: %+v", r)
	}
	rewrite(t, dir, join(lines))
	if err := os.Remove(filepath.Join(dir, markFile)); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); r.Bad != 601 {
		t.Errorf("mark removed: %+v", r)
	}
	survived(t, 23, "edited, deleted, inserted, reordered, cut, replaced: the first bad record is named")
}

// Every byte of a short log.
func TestAttack23EveryByte(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 3)
	l.Close()
	b, err := os.ReadFile(filePath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		d := bytes.Clone(b)
		d[i] ^= 1
		rewrite(t, dir, d)
		if r := verified(t, dir); r.Bad == 0 {
			t.Errorf("byte %d: not noticed", i)
		}
		if l, err := Open(dir, testKeys); err == nil {
			// Opening looks at what is behind the mark only.
			l.Close()
		}
	}
	survived(t, 23, "%d single bytes of a log changed: all noticed", len(b))
}

// forge writes the chain anew from line i on, with the MAC key that the
// attacker has.
func forge(t *testing.T, lines [][]byte, i int, edit func(Entry) Entry) [][]byte {
	t.Helper()
	k := newKeys(testKeys[0])
	h := hmac.New(sha256.New, k.chain)
	out := append([][]byte(nil), lines...)
	_, prev, _ := splitLine(bytes.TrimSuffix(lines[i-1], []byte("\n")))
	for j := i; j < len(lines); j++ {
		body, _, ok := splitLine(bytes.TrimSuffix(lines[j], []byte("\n")))
		if !ok {
			t.Fatal("malformed line")
		}
		body = append(bytes.Clone(body), '}')
		if j == i {
			var e Entry
			if err := json.Unmarshal(body, &e); err != nil {
				t.Fatal(err)
			}
			body = marshal(edit(e))
		}
		out[j], prev = appendLine(nil, body, h, prev)
	}
	return out
}

func TestAttack23CurrentKey(t *testing.T) {
	dir, lines := written(t)
	innocent := func(e Entry) Entry { e.Actor.Client = "cli"; return e }
	mark, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		t.Fatal(err)
	}
	k := newKeys(testKeys[0])
	m := newestMark(mark, k)
	for _, c := range []struct{ record, want int }{{10, 1}, {256, 1}, {257, 257}, {500, 257}} {
		forged := forge(t, lines, lineOf(c.record), innocent)
		rewrite(t, dir, join(forged))
		// The mark as well: its key is one of those that the attacker has.
		end := m.clone()
		_, end.mac, _ = splitLine(bytes.TrimSuffix(forged[len(forged)-1], []byte("\n")))
		end.gen++
		write(t, filepath.Join(dir, markFile), end.bytes(k))
		if r := verified(t, dir); r.Bad != uint64(c.want) {
			t.Errorf("record %d forged with the MAC key: %+v", c.record, r)
		}
		// And signed anew with the signing key of the present.
		for i, line := range forged {
			if bytes.HasPrefix(line, []byte(sealPrefix)) {
				forged[i] = resign(t, line, m)
			}
		}
		forged = forge(t, forged, 1, func(e Entry) Entry { return e })
		rewrite(t, dir, join(forged))
		if r := verified(t, dir); r.Bad == 0 {
			t.Errorf("record %d forged with MAC and signing key: not noticed", c.record)
		}
	}
	survived(t, 23, "forged with the current MAC and signing keys in an epoch that ended: named")
}

// resign signs a seal line's checkpoint with the present key.
func resign(t *testing.T, line []byte, m *mark) []byte {
	t.Helper()
	var s sealLine
	if err := json.Unmarshal(line, &s); err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(s.Note, "\n\n")
	f := strings.Split(text, "\n")
	c := checkpoint{log: f[0], next: strings.TrimPrefix(f[4], "next ")}
	if _, err := fmt.Sscan(f[1], &c.size); err != nil {
		t.Fatal(err)
	}
	note, err := c.sign(m.key)
	if err != nil {
		t.Fatal(err)
	}
	s.Note = note
	out, _ := appendLine(nil, marshal(s), hmac.New(sha256.New, newKeys(testKeys[0]).chain), [macSize]byte{})
	return out
}

// The keys of past epochs are gone from the disk.
func TestKeysAreErased(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	seed := l.mark.key.Seed()
	sealed := func() bool {
		b, err := os.ReadFile(filepath.Join(dir, markFile))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+sealedKeys <= len(b); i++ {
			if a, n, ok := openKeys(l.cur, b[i:i+sealedKeys]); ok && (bytes.Equal(a.Seed(), seed) || bytes.Equal(n.Seed(), seed)) {
				return true
			}
		}
		return false
	}
	if !sealed() {
		t.Fatal("the first key is not where the test looks")
	}
	fill(t, l, 0, epochSize)
	if sealed() {
		t.Error("the first epoch's key outlived it")
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// 22: a log without room is an error before anything is opened, and goes on when there is some.
func TestAttack22FullDisk(t *testing.T) {
	dir := t.TempDir()
	disk := disktest.Mount(t, dir, "64k")
	l := openLog(t, dir)
	defer l.Close()
	n, err := 0, error(nil)
	for ; err == nil && n < 1000; n++ {
		err = l.Append(access(n))
	}
	if !errors.Is(err, ErrAudit) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("full: %v", err)
	}
	if r, err := l.Verify(); err != nil || r.Bad != 0 || r.Records != uint64(n-1) {
		t.Errorf("full: %d acknowledged, %+v, %v", n-1, r, err)
	}
	disk.Grow("1m")
	if err := l.Append(access(n)); err != nil {
		t.Errorf("room again: %v", err)
	}
	if r, err := l.Verify(); err != nil || r.Bad != 0 || r.Records != uint64(n) {
		t.Errorf("room again: %+v, %v", r, err)
	}
	if disk.ReadOnly() == nil {
		if err := l.Append(access(n)); !errors.Is(err, ErrAudit) {
			t.Errorf("read-only: %v", err)
		}
	}
	survived(t, 22, "log full or read-only: ErrAudit, and nothing counts")
}

// 22: nor is anything opened where the log's files are something else.
func TestAttack22Sink(t *testing.T) {
	// Something else in the file's place; a pipe must not block for ever.
	for what, place := range map[string]func(string) error{
		"a pipe":   func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"a folder": func(p string) error { return os.Mkdir(p, 0o700) },
		"a link":   func(p string) error { return os.Symlink("/dev/null", p) },
	} {
		for _, name := range []string{"audit-000001.jsonl", "mark", "lock"} {
			dir := t.TempDir()
			if err := place(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, testKeys); !errors.Is(err, ErrAudit) {
				t.Errorf("%s for %s: %v", what, name, err)
			}
		}
	}
	survived(t, 22, "a pipe, a folder or a link in the log's place: ErrAudit, and nothing counts")
}

// A lock that somebody holds for ever is an error, not a wait for ever.
func TestAttack22HeldLock(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	l.wait = 50 * time.Millisecond
	unlock, err := lockDir(dir, lockWait)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(access(1)); !errors.Is(err, ErrAudit) {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(access(1)); err != nil {
		t.Error(err)
	}
}

// FuzzLine: no line makes a reader panic, and only a line with the right MAC
// passes.
func FuzzLine(f *testing.F) {
	good, _ := appendLine(nil, []byte(`{"n":1}`), hmac.New(sha256.New, newKeys(testKeys[0]).chain), [macSize]byte{})
	f.Add(good)
	f.Add([]byte(`{"start":"x","mac":"`))
	f.Add([]byte(`{"seal":0,"note":"` + strings.Repeat("0", 80) + `"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		s := &scan{keys: []*keys{newKeys(testKeys[0])}}
		s.cur = s.keys[0]
		s.advance([macSize]byte{}) // as after a start line
		if err := s.line(bytes.TrimSuffix(line, []byte("\n"))); err == nil && s.flush() == nil && !bytes.Equal(line, good) && !bytes.Equal(line, bytes.TrimSuffix(good, []byte("\n"))) {
			t.Errorf("accepted %q", line)
		}
	})
}

package audit

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAttackMark: every byte of a mark is under its MAC, wherever the log is said to end, and so is its length.
func TestAttackMark(t *testing.T) {
	l := openLog(t, t.TempDir())
	fill(t, l, 0, 10)
	defer l.Close()
	k := l.cur
	whole := l.mark.bytes(k)
	if m, ok := parseMark(whole, k); !ok || m.n != l.mark.n || m.mac != l.mark.mac {
		t.Fatalf("a mark as it was written is not read: %+v", m)
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(whole)
			bad[i] ^= bit
			if _, ok := parseMark(bad, k); ok {
				t.Errorf("byte %d of %d was changed, and the mark is taken", i, len(whole))
			}
		}
	}
	for n := range whole {
		if _, ok := parseMark(whole[:n], k); ok {
			t.Errorf("the first %d of %d bytes are taken for a mark", n, len(whole))
		}
	}
	if m, ok := parseMark(append(bytes.Clone(whole), "rest of the place"...), k); !ok || m.n != l.mark.n {
		t.Error("what lies behind a mark in its place must not matter")
	}
}

// TestAttackMarkInPieces: of two places the newer valid one counts, and none when both are torn.
func TestAttackMarkInPieces(t *testing.T) {
	l := openLog(t, t.TempDir())
	fill(t, l, 0, 3)
	defer l.Close()
	place := func(gen uint64) []byte {
		m := l.mark.clone()
		m.gen = gen
		return append(m.bytes(l.cur), make([]byte, markSize)...)[:markSize]
	}
	torn := func(b []byte) []byte { b = bytes.Clone(b); b[100] ^= 1; return b }
	for _, tt := range []struct {
		name string
		file []byte
		want uint64 // 0: none
	}{
		{"first newer", append(place(8), place(7)...), 8},
		{"second newer", append(place(7), place(8)...), 8},
		{"newer torn", append(place(7), torn(place(8))...), 7},
		{"older torn", append(torn(place(7)), place(8)...), 8},
		{"both torn", append(torn(place(7)), torn(place(8))...), 0},
		{"one place", place(5), 5},
		{"cut in the second", append(place(5), place(6)[:50]...), 5},
		{"empty", nil, 0},
	} {
		got := uint64(0)
		if m := newestMark(tt.file, l.cur); m != nil {
			got = m.gen
		}
		if got != tt.want {
			t.Errorf("%s: mark %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestAttackLineMAC: one line has one spelling.
func TestAttackLineMAC(t *testing.T) {
	l := openLog(t, t.TempDir())
	fill(t, l, 0, 1)
	l.Close()
	text, err := os.ReadFile(filePath(l.dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	line := bytes.TrimSuffix(text[bytes.IndexByte(text, '\n')+1:], []byte("\n"))
	body, mac, ok := splitLine(line)
	if !ok || len(body) != len(line)-macTail || mac == [macSize]byte{} {
		t.Fatalf("%q is not split", line)
	}
	upper := append(bytes.Clone(line[:len(line)-macTail]), bytes.ToUpper(line[len(line)-macTail:])...)
	upper = bytes.Replace(upper, []byte(strings.ToUpper(macOpen)), []byte(macOpen), 1)
	for name, bad := range map[string][]byte{
		"capitals":     upper,
		"no hex":       append(bytes.Clone(line[:len(line)-len(macClose)-1]), "z"+macClose...),
		"no body":      line[len(line)-macTail:],
		"empty":        nil,
		"no end":       line[:len(line)-1],
		"something on": append(bytes.Clone(line), ' '),
	} {
		if _, _, ok := splitLine(bad); ok {
			t.Errorf("%s: %q is taken for a line", name, bad)
		}
	}
}

// TestAttackInPlaceOfAFile: what is not a file where the log keeps one is refused, at once, and by every way in.
func TestAttackInPlaceOfAFile(t *testing.T) {
	for kind, put := range map[string]func(string) error{
		"pipe":         func(p string) error { return syscall.Mkfifo(p, 0o600) },
		"folder":       func(p string) error { return os.Mkdir(p, 0o700) },
		"link":         func(p string) error { return os.Symlink(os.DevNull, p) },
		"dangling":     func(p string) error { return os.Symlink("nowhere", p) },
		"link to zero": func(p string) error { return os.Symlink("/dev/zero", p) },
	} {
		for _, name := range []string{"lock", markFile, filepath.Base(filePath("", 1))} {
			dir := t.TempDir()
			if name != "lock" { // a lock that was never taken is made
				l := openLog(t, dir)
				fill(t, l, 0, 3)
				l.Close()
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			path := filepath.Join(dir, name)
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			l, err := Open(dir, testKeys)
			if err == nil {
				err = l.Append(access(1))
				l.Close()
			}
			if !errors.Is(err, ErrAudit) {
				t.Errorf("%s in place of %s: %v, want ErrAudit", kind, name, err)
			}
			if _, err := openRead(path); err == nil {
				t.Errorf("%s in place of %s: read as a file", kind, name)
			}
			if _, err := openRegular(path); err == nil {
				t.Errorf("%s in place of %s: written as a file", kind, name)
			}
			if info, err := os.Lstat(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s in place of %s: a link was followed to %v", kind, name, info)
			}
		}
	}
}

// TestBrokenIsNotFull: a log that was altered is not said to lack room, and nothing is read from it as if it were whole.
func TestBrokenIsNotFull(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 5)
	defer l.Close()
	write(t, filepath.Join(dir, markFile), []byte("not a mark"))
	err := l.Append(access(6))
	if !errors.Is(err, ErrAudit) || !errors.Is(err, ErrBroken) || strings.Contains(err.Error(), "written") {
		t.Errorf("append: %v, want a broken log", err)
	}
	if all, err := l.Recent(time.Time{}); !errors.Is(err, ErrBroken) || all != nil {
		t.Errorf("recent: %d entries, %v, want a broken log", len(all), err)
	}
	if _, err := Open(dir, testKeys); !errors.Is(err, ErrBroken) {
		t.Errorf("open: %v, want a broken log", err)
	}
}

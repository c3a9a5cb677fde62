package audit

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

// Recent says what Show says of the same time, whatever lies in between: ends of
// epochs, ends of files, another key, a restart.
func TestRecent(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	l.maxFile = 40_000
	fill(t, l, 0, 700)
	if l.mark.file < 3 {
		t.Fatalf("%d files only", l.mark.file)
	}
	l.Close()
	l, err := Open(dir, [][]byte{bytes.Repeat([]byte{9}, 32), testKeys[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.maxFile = 40_000
	fill(t, l, 700, 400)
	all, err := l.Show(0)
	if err != nil || len(all) != 1100 {
		t.Fatal(len(all), err)
	}
	for _, from := range []int{0, 1, 255, 256, 257, 511, 699, 700, 701, 1023, 1099, 1100} {
		got, err := l.Recent(access(from).Time)
		if err != nil || len(got) != 1100-from || len(got) > 0 && !reflect.DeepEqual(got, all[from:]) {
			t.Errorf("since %d: %d entries, %v", from, len(got), err)
		}
	}
	if got, err := l.Recent(time.Time{}); err != nil || len(got) != 1100 {
		t.Errorf("since ever: %d, %v", len(got), err)
	}
	l.Close()
	if _, err := l.Recent(time.Time{}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A line longer than what is read at once is read whole.
func TestRecentLongLines(t *testing.T) {
	l := openLog(t, t.TempDir())
	r := access(1)
	for range 8000 {
		r.Names = append(r.Names, "a/b/C")
	}
	if err := l.Append(access(0), r, access(2)); err != nil {
		t.Fatal(err)
	}
	got, err := l.Recent(time.Time{})
	if err != nil || len(got) != 3 || len(got[1].Names) != 8001 {
		t.Errorf("%d entries, %v", len(got), err)
	}
}

// Attack: a record is changed so that it counts no more: another name, an older
// time, no count at all; or it is taken out. None of it is believed.
func TestAttackRecent(t *testing.T) {
	r := access(599)
	r.Masked = []Count{{Name: "my-project/development/NAME_1", Lane: "fragments", N: 17}}
	for what, damage := range map[string]func(b []byte) []byte{
		"no count":     func(b []byte) []byte { return bytes.Replace(b, []byte(`"n":17}`), []byte(`"n":10}`), 1) },
		"another lane": func(b []byte) []byte { return bytes.Replace(b, []byte("fragments"), []byte("squeezed_"), 1) },
		"an older time": func(b []byte) []byte {
			return bytes.Replace(b, []byte("2026-04-13T10:33"), []byte("2025-04-13T10:33"), 1)
		},
		"line taken out": func(b []byte) []byte {
			at := bytes.Index(b, []byte(`{"n":301,`))
			end := at + bytes.IndexByte(b[at:], '\n') + 1
			return append(bytes.Clone(b[:at]), b[end:]...)
		},
		"an older MAC": func(b []byte) []byte {
			at := bytes.Index(b, []byte(`{"n":590,`))
			b = bytes.Clone(b)
			b[at+bytes.IndexByte(b[at:], '\n')-5] ^= 1
			return b
		},
	} {
		dir := t.TempDir()
		l := openLog(t, dir)
		fill(t, l, 0, 599)
		if err := l.Append(r, access(600)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filePath(dir, 1))
		if err != nil {
			t.Fatal(err)
		}
		changed := damage(b)
		if bytes.Equal(changed, b) {
			t.Fatalf("%s: nothing was changed", what)
		}
		// As long as before, so that the end is where the mark says.
		for len(changed) < len(b) {
			changed = append([]byte(" "), changed...)
		}
		rewrite(t, dir, changed)
		if got, err := l.Recent(access(0).Time); !errors.Is(err, ErrBroken) || len(got) > 0 {
			t.Errorf("%s: %d entries, %v", what, len(got), err)
		}
	}
	survived(t, 23, "a record that is counted from, edited in five ways: not believed")
}

// Attack: the log and its mark are put back as they were while an agent runs.
func TestAttackOlderLogUnderAnAgent(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 5)
	kept := map[string][]byte{}
	for _, name := range []string{markFile, filepath.Base(filePath(dir, 1))} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		kept[name] = b
	}
	fill(t, l, 5, 5)
	for name, b := range kept {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append(access(11)); !errors.Is(err, ErrBroken) || !errors.Is(err, ErrAudit) {
		t.Errorf("appended to an older log: %v", err)
	}
	if _, err := l.Recent(time.Time{}); !errors.Is(err, ErrBroken) {
		t.Errorf("read an older log: %v", err)
	}
	survived(t, 23, "log and mark put back under a running agent: nothing is written, so nothing is opened")
}

// What a rule's uses are counted by is no secret's name, and neither is readable.
func TestLimitsAreHidden(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	r := access(1)
	r.Limits = []string{"few CANARY"}
	if err := l.Append(r); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filePath(dir, 1))
	if err != nil || bytes.Contains(b, []byte("CANARY")) {
		t.Errorf("the log names the rule: %v", err)
	}
	got, err := l.Recent(time.Time{})
	if err != nil || len(got) != 1 || len(got[0].Limits) != 1 {
		t.Fatal(got, err)
	}
	if names := l.Limits([]string{"other", "few CANARY"}); names[got[0].Limits[0]] != "few CANARY" || len(names) != 2 {
		t.Errorf("Limits = %v", names)
	}
	if names := l.Names([]string{"few CANARY"}); names[got[0].Limits[0]] != "" {
		t.Error("a rule's name is hidden like a secret's")
	}
}

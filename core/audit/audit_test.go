package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var testKeys = [][]byte{bytes.Repeat([]byte{7}, 32)}

func openLog(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := Open(dir, testKeys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func access(i int) Record {
	return Record{
		Time: time.Date(2026, 4, 13, 10, 23, 41, 0, time.UTC).Add(time.Duration(i) * time.Second),
		Op:   "vault_run", Space: "my-project/development", Event: "ACCESSED",
		Names: []string{fmt.Sprintf("my-project/development/NAME_%d", i%7)},
		Actor: Actor{Device: "d", UID: 1000, PID: 42, Exe: "/usr/bin/ov", Client: "mcp:claude-code"},
		Run:   fmt.Sprint("run-", i),
	}
}

func fill(t testing.TB, l *Log, from, n int) {
	t.Helper()
	var recs []Record
	for i := range n {
		recs = append(recs, access(from+i))
	}
	if err := l.Append(recs...); err != nil {
		t.Fatal(err)
	}
}

func TestAppendVerify(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	for i := range 10 {
		fill(t, l, i, 1)
	}
	fill(t, l, 10, 1000)
	other := openLog(t, dir) // another process
	fill(t, other, 1010, 20)
	fill(t, l, 1030, 5)
	r, err := l.Verify()
	if err != nil || r != (Report{Records: 1035, Epochs: 4}) {
		t.Errorf("Verify = %+v, %v", r, err)
	}
	entries, err := l.Show(3)
	if err != nil || len(entries) != 3 || entries[2].N != 1035 {
		t.Fatalf("Show = %+v, %v", entries, err)
	}
	got := access(0)
	got.Names = append(got.Names, "x/y/Z")
	e, err := got.entry(1, l.keys[0])
	if err != nil {
		t.Fatal(err)
	}
	want := "2026-04-13T10:23:41Z vault_run my-project/development ACCESSED [hmac:" + e.Names[0][:8] + " hmac:" + e.Names[1][:8] + "] client=mcp:claude-code"
	if e.String() != want {
		t.Errorf("String = %q, want %q", e, want)
	}
	found, err := l.Grep("my-project/development/NAME_3")
	if err != nil || len(found) != 148 {
		t.Errorf("Grep found %d, %v", len(found), err)
	}
	exposed, err := l.Exposed(access(1033).Time, "mcp:claude-code")
	if err != nil || len(exposed) != 2 || exposed[0].Times != 1 {
		t.Errorf("Exposed = %+v, %v", exposed, err)
	}
	info, err := os.Stat(filepath.Join(dir, "audit-000001.jsonl"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
}

func TestHammerAppend(t *testing.T) {
	dir := t.TempDir()
	a, b := openLog(t, dir), openLog(t, dir)
	var wg sync.WaitGroup
	for w := range 8 {
		l := a
		if w%2 == 1 {
			l = b
		}
		wg.Go(func() {
			for i := range 50 {
				if err := l.Append(access(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if r, err := openLog(t, dir).Verify(); err != nil || r != (Report{Records: 400, Epochs: 1}) {
		t.Errorf("Verify = %+v, %v", r, err)
	}
}

func TestNoNames(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	r := access(1)
	r.Names, r.Masked = []string{"a/b/CANARY_NAME"}, []Count{{Name: "a/b/CANARY_NAME", Lane: "exact", N: 3}}
	if err := l.Append(r); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"audit-000001.jsonl", "mark"} {
		b, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil || strings.Contains(string(b), "CANARY") {
			t.Errorf("%s: %v, holds the name", f, err)
		}
	}
}

func TestWrongKey(t *testing.T) {
	dir := t.TempDir()
	fill(t, openLog(t, dir), 0, 3)
	if _, err := Open(dir, [][]byte{bytes.Repeat([]byte{8}, 32)}); !errors.Is(err, ErrAudit) || !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
}

package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a killed writer leaves: part of a line, lines without the mark, an
// epoch without its signature. The next one goes on from there.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 250)
	before, err := os.ReadFile(filepath.Join(dir, markFile))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, 250, 20) // over the end of an epoch
	l.Close()
	whole, err := os.ReadFile(filePath(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	from := bytes.LastIndex(whole, []byte(`{"n":250,`))
	for cut := len(whole); cut > from+400; cut -= 97 {
		d := t.TempDir()
		write(t, filePath(d, 1), whole[:cut])
		write(t, filepath.Join(d, markFile), before)
		l, err := Open(d, testKeys)
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		lines := bytes.Count(whole[:cut], []byte(`{"n":`)) - btoi(whole[cut-1] != '\n' && bytes.HasPrefix(whole[bytes.LastIndexByte(whole[:cut], '\n')+1:cut], []byte(`{"n":`)))
		fill(t, l, 900, 300)
		if r, err := l.Verify(); err != nil || r.Bad != 0 || r.Records != uint64(lines+300) || r.Epochs != int(r.Records/epochSize) {
			t.Errorf("cut at %d: %+v, %v, want %d", cut, r, err, lines+300)
		}
		l.Close()
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRekey(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 300)
	next := bytes.Repeat([]byte{9}, 32)
	rotated, err := Open(dir, [][]byte{next, testKeys[0]})
	if err != nil {
		t.Fatal(err)
	}
	defer rotated.Close()
	fill(t, rotated, 300, 300)
	if r, err := rotated.Verify(); err != nil || r != (Report{Records: 600, Epochs: 2}) {
		t.Errorf("%+v, %v", r, err)
	}
	if err := l.Append(access(1)); !errors.Is(err, ErrAudit) {
		t.Errorf("append with the old key: %v", err)
	}
	found, err := rotated.Grep("my-project/development/NAME_3")
	if err != nil || len(found) != 86 {
		t.Errorf("found %d, %v", len(found), err)
	}
	if names := rotated.Names([]string{"my-project/development/NAME_3"}); names[found[0].Names[0]] == "" || names[found[85].Names[0]] == "" {
		t.Error("a name is not found again under both keys")
	}
	if _, err := Open(dir, [][]byte{next}); err != nil {
		t.Errorf("open with the new key alone: %v", err) // verifying needs both
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	l.maxFile = 100_000
	other := openLog(t, dir)
	other.maxFile = l.maxFile
	for i := 0; i < 2000; i += 100 {
		fill(t, l, i, 60)
		fill(t, other, i+60, 40)
	}
	names, err := filepath.Glob(filepath.Join(dir, "audit-*.jsonl"))
	if err != nil || len(names) < 4 {
		t.Fatalf("%v, %v", names, err)
	}
	if r, err := l.Verify(); err != nil || r != (Report{Records: 2000, Epochs: 7}) {
		t.Errorf("%+v, %v", r, err)
	}
	last, err := l.Show(1)
	if err != nil || last[0].N != 2000 {
		t.Errorf("%+v, %v", last, err)
	}
	if err := os.Remove(names[1]); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); r.Bad == 0 {
		t.Error("a file removed: not noticed")
	}
}

func TestRestart(t *testing.T) {
	dir, lines := written(t)
	rewrite(t, dir, join(lines[:300]))
	if _, err := Open(dir, testKeys); !errors.Is(err, ErrBroken) || !errors.Is(err, ErrAudit) {
		t.Fatalf("a cut log opened: %v", err)
	}
	l, err := Restart(dir, testKeys, "cut, said the owner")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	fill(t, l, 0, 5)
	if r, err := l.Verify(); err != nil || r != (Report{Records: 5}) {
		t.Errorf("%+v, %v", r, err)
	}
	b, err := os.ReadFile(filePath(dir, 1))
	if err != nil || !bytes.Contains(b, []byte("cut, said the owner")) {
		t.Error("the new log does not say why")
	}
	aside, err := filepath.Glob(filepath.Join(dir, "broken-*", "audit-000001.jsonl"))
	if err != nil || len(aside) != 1 {
		t.Fatal(aside, err)
	}
	if kept, err := os.ReadFile(aside[0]); err != nil || !bytes.Equal(kept, join(lines[:300])) {
		t.Error("the old log was changed")
	}
}

func TestSyslog(t *testing.T) {
	l := openLog(t, t.TempDir())
	exit := 3
	r := access(0)
	r.Reason, r.Exit, r.Signal = `a "reason" \ ]`+"\x1b[2J\nnext", &exit, "SIGTERM"
	r.Masked = []Count{{Name: r.Names[0], Lane: "exact", N: 2}, {Lane: "rule", Rule: "aws", N: 1}}
	denied := access(10)
	denied.Event = "DENIED"
	if err := l.Append(r, denied); err != nil {
		t.Fatal(err)
	}
	all, err := l.Page(0, 10, time.Time{})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	if e := all[0]; e.N != 1 || *e.Exit != 3 || e.Masked[0].N != 2 || e.Masked[0].Name != e.Names[0] || !e.Time.Equal(r.Time) {
		t.Errorf("%+v", e)
	}
	if text := all[0].String(); !strings.HasSuffix(text, "exit=3 signal=SIGTERM masked=3 client=mcp:claude-code") || strings.ContainsRune(text, 0x1b) {
		t.Errorf("%s", text)
	}
	syslog := regexp.MustCompile(`^<(\d+)>1 2026-04-13T10:23:\d\d\.000Z - ov 42 vault_run \[ov@32473( [a-z]+="([^"\\\]]|\\["\\\]])*")+\] 2026`)
	for i, pri := range []string{"109", "108"} {
		line := all[i].Syslog()
		if m := syslog.FindStringSubmatch(line); m == nil || m[1] != pri || strings.ContainsRune(line, 0x1b) {
			t.Errorf("%s", line)
		}
	}
}

// TestPage: pages come in order, without gaps, and not from before a time.
func TestPage(t *testing.T) {
	l := openLog(t, t.TempDir())
	for i := range 5 {
		if err := l.Append(access(i)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		after uint64
		n     int
		since time.Time
		want  []uint64
	}{{0, 2, time.Time{}, []uint64{1, 2}}, {2, 2, time.Time{}, []uint64{3, 4}}, {4, 2, time.Time{}, []uint64{5}}, {5, 2, time.Time{}, nil}, {0, 9, access(3).Time, []uint64{4, 5}}} {
		all, err := l.Page(c.after, c.n, c.since)
		var got []uint64
		for _, e := range all {
			got = append(got, e.N)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d behind %d: %v, %v, want %v", c.n, c.after, got, err, c.want)
		}
	}
}

// A record can carry no line of its own making, and not too much.
func TestHostileRecords(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	nasty := Record{
		Op: "x\",\"mac\":\"" + strings.Repeat("0", 64) + "\"}\n{\"n\":2", Event: "\x00\xff\u2028", Reason: strings.Repeat("long ", 1<<16),
		Space: "a\nb", Names: []string{"\n"}, Actor: Actor{Exe: "\"}\n"}, Signal: "\r",
	}
	if err := l.Append(nasty, nasty); err != nil {
		t.Fatal(err)
	}
	if err := l.Append(Record{Names: make([]string, maxNames+1)}); !errors.Is(err, ErrAudit) {
		t.Errorf("too many names: %v", err)
	}
	if err := l.Append(access(1)); err != nil {
		t.Fatal(err)
	}
	if r, err := l.Verify(); err != nil || r != (Report{Records: 3}) {
		t.Errorf("%+v, %v", r, err)
	}
	entries, err := l.Show(0)
	if err != nil || len(entries) != 3 || len(entries[0].Reason) > maxText {
		t.Fatalf("%d, %v", len(entries), err)
	}
	if s := entries[0].String(); strings.ContainsAny(s, "\n\r\x00") {
		t.Errorf("%q", s)
	}
}

func TestCheckpoint(t *testing.T) {
	dir := t.TempDir()
	l := openLog(t, dir)
	fill(t, l, 0, 255)
	if c, err := l.Checkpoint(); c != "" || err != nil {
		t.Errorf("%q, %v", c, err)
	}
	first := verifier(origin(l.mark.id), l.mark.key)
	fill(t, l, 255, 1)
	note, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCheckpoint(note, first)
	if err != nil || c.size != 257 || c.next != verifier(origin(l.mark.id), l.mark.key) {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := openCheckpoint(note, c.next); err == nil {
		t.Error("opened with another epoch's key")
	}
	if _, err := openCheckpoint(strings.Replace(note, "\n257\n", "\n258\n", 1), first); err == nil {
		t.Error("opened when altered")
	}
}

func TestClosed(t *testing.T) {
	l := openLog(t, t.TempDir())
	chain := l.keys[0].chain
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(chain, make([]byte, 32)) {
		t.Error("Close left a key")
	}
	if err := l.Append(access(1)); !errors.Is(err, ErrClosed) || !errors.Is(err, ErrAudit) {
		t.Error(err)
	}
	if _, err := l.Verify(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.TempDir(), nil); !errors.Is(err, ErrAudit) {
		t.Error(err)
	}
}

// The right edge of the tree is the one of RFC 6962: against its definition.
func TestTreeRoot(t *testing.T) {
	var whole []([macSize]byte)
	var edge tree
	for i := range 70 {
		mac := [macSize]byte{byte(i), 1}
		edge = edge.add(uint64(i), mac)
		whole = append(whole, mac)
		if want := mth(whole); edge.root() != want {
			t.Fatalf("%d leaves: %v, want %v", i+1, edge.root(), want)
		}
	}
	none := tree(nil).root()
	if got := fmt.Sprintf("%x", none[:]); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error(got)
	}
}

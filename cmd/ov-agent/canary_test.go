//go:build linux

package main

import (
	"bytes"
	"encoding/ascii85"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// canaryPIN is the longest that there is.
const canaryPIN = "809070605041"

// spelled returns s in the ways in which a file could hold it: as it is, encoded
// at each alignment, in wide characters, backwards.
func spelled(s string) [][]byte {
	b := []byte(s)
	all := [][]byte{b, bytes.ToLower(b), bytes.ToUpper(b), []byte(hex.EncodeToString(b)), []byte(strings.ToUpper(hex.EncodeToString(b)))}
	for shift := range 3 { // the middle of its base64, wherever it begins
		padded := append(make([]byte, shift), b...)
		for _, e := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			code := e.EncodeToString(padded)
			all = append(all, []byte(code[4*(shift+2)/3:len(code)-3]))
		}
	}
	for shift := range 5 {
		code := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(append(make([]byte, shift), b...))
		all = append(all, []byte(code[8*(shift+4)/5:len(code)-7]))
	}
	wide, escaped, percent := []byte{}, "", ""
	for _, c := range b {
		wide = append(wide, c, 0)
		escaped += fmt.Sprintf(`\u%04x`, c)
		percent += fmt.Sprintf("%%%02X", c)
	}
	a85 := make([]byte, ascii85.MaxEncodedLen(len(b)))
	a85 = a85[:ascii85.Encode(a85, b)]
	back := slices.Clone(b)
	slices.Reverse(back)
	return append(all, wide, []byte(escaped), []byte(percent), []byte(url.QueryEscape(s)), a85[:len(a85)-5], back)
}

// Attack 10: canaries as names, values, tags, passwords, PIN and policy go
// through 200 operations; no file of the vault, its log, or in the temporary
// folder holds one, in any spelling.
func TestAttack10Canaries(t *testing.T) {
	begun := time.Now()
	home, password := newHome(t)
	t.Setenv("TMPDIR", t.TempDir()) // of this test alone: what lies in everybody's is nobody's to read
	kit, err := os.Create(filepath.Join(t.TempDir(), "kit"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	if err := newClient(t, home, password).Init(t.Context(), agent.InitRequest{Kit: kit}); err != nil {
		t.Fatal(err)
	}
	unlock(t, home, password, agent.TTLs{})
	run := canaryRun{t: t, mark: fmt.Sprintf("q%x", begun.UnixNano()), home: home, password: password}
	canaries := []string{run.name(), run.moved(), run.value(), run.tag(), run.policy(), testPassword(), canaryPIN}
	operations := run.operations()
	if operations < 200 {
		t.Errorf("%d operations only", operations)
	}
	if err := newClient(t, home, "").Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, searched := searchCanaries(home, begun, password, canaries)
	if found != nil || searched < 5 {
		t.Errorf("%d files; holding canaries: %q", searched, found)
	}
	// The search would find one, wherever it begins in a longer text.
	control := filepath.Join(home, "control")
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString([]byte("xyz"[:shift] + run.value() + " and more"))
		if err := os.WriteFile(control, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if found, _ := searchCanaries(home, begun, password, canaries); len(found) != 1 {
			t.Errorf("the search finds %q", found)
		}
	}
	t.Logf("attack 10: %d operations, %d canaries in %d spellings, %d files: none found", operations, len(canaries), len(spelled(run.value())), searched)
}

// searchCanaries looks for them in the files of home, and in those of the
// temporary folder that are newer than begun.
func searchCanaries(home string, begun time.Time, password string, canaries []string) (found []string, searched int) {
	for _, root := range []string{home, os.TempDir()} {
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !d.Type().IsRegular() || path == password || root != home && strings.HasPrefix(path, home) {
				return nil
			}
			info, err := d.Info()
			if err != nil || root != home && (info.ModTime().Before(begun) || info.Size() > 1<<20) {
				return nil
			}
			b, err := readSome(path)
			if err != nil {
				return nil // of somebody else's, gone meanwhile
			}
			searched++
			for i, c := range canaries {
				if root != home && i >= len(canaries)-2 {
					break // the password and the PIN are not this run's alone
				}
				if slices.ContainsFunc(spelled(c), func(form []byte) bool { return bytes.Contains(b, form) }) {
					found = append(found, path+": "+c)
				}
			}
			return nil
		})
	}
	return found, searched
}

// readSome reads no more of a file than is searched of the temporary folder: what
// another one has mounted there may say that it is empty and never end.
func readSome(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 64<<20))
}

// A canaryRun has canaries of its own: other tests use the temporary folder, too.
type canaryRun struct {
	t                    *testing.T
	mark, home, password string
}

func (r canaryRun) name() string   { return "CANARY_NAME_" + r.mark }
func (r canaryRun) moved() string  { return "CANARY_MOVED_" + r.mark }
func (r canaryRun) value() string  { return "canary-value/" + r.mark + "+Zz" }
func (r canaryRun) tag() string    { return "canary-tag-" + r.mark }
func (r canaryRun) policy() string { return "canary-policy-" + r.mark }

// operations does what can be done with canaries and counts it.
func (r canaryRun) operations() (n int) {
	t := r.t
	t.Helper()
	c, fresh := newClient(t, r.home, ""), newClient(t, r.home, r.password)
	name, moved := ref(r.name()), ref(r.moved())
	value := func() secret.Value { return secret.New([]byte(r.value())) }
	did := func(err error) {
		t.Helper()
		if n++; err != nil {
			t.Fatalf("operation %d: %v", n, err)
		}
	}
	failed := func(err error) {
		t.Helper()
		if n++; err == nil {
			t.Fatal("what must fail did not")
		}
	}
	asked := agent.GrantRequest{Kind: agent.GrantRun, Executable: "/bin/true", Argv: []string{"true", r.value()}, Dir: "/", Refs: []secret.Ref{name},
		ExtraEnv: []string{"X=" + r.value()}, Inherited: []string{"Y=" + r.value()}}
	use := func(q agent.GrantRequest) {
		t.Helper()
		g, err := c.Grant(t.Context(), q)
		did(err)
		g.Wipe()
		did(c.Complete(t.Context(), agent.Completion{GrantID: g.ID, Masked: []agent.Count{{Name: r.name(), Lane: "exact", N: 3}}}))
	}
	for range 10 {
		_, err := c.Put(t.Context(), agent.PutRequest{Ref: name, Value: value(), Tags: []string{r.tag()}})
		did(err)
		_, err = c.Put(t.Context(), agent.PutRequest{Ref: name, Value: value(), Mode: agent.CreateOnly})
		failed(err)
		use(asked)
		use(agent.GrantRequest{Kind: agent.GrantMask, App: name.App, Env: name.Env})
		use(agent.GrantRequest{Kind: agent.GrantSession, Dir: "/", Executable: "/bin/sh", Argv: []string{"sh"}, Refs: asked.Refs})
		_, err = c.List(t.Context(), name.App, name.Env, "CANARY")
		did(err)
		_, err = c.Info(t.Context(), name)
		did(err)
		versions, err := c.History(t.Context(), name)
		did(err)
		_, err = c.Tag(t.Context(), name, []string{r.tag(), "other"})
		did(err)
		_, err = c.Rollback(t.Context(), name, versions[0].Version)
		did(err)
		_, err = c.Rename(t.Context(), name, moved)
		did(err)
		_, err = c.Info(t.Context(), name)
		failed(err)
		_, err = c.Rename(t.Context(), moved, name)
		did(err)
		did(c.Delete(t.Context(), name))
		failed(c.Delete(t.Context(), name))
		_, err = c.Restore(t.Context(), name)
		did(err)
		_, err = c.Grant(t.Context(), agent.GrantRequest{Kind: agent.GrantRun, Executable: "/bin/true", Argv: []string{"x"}, Dir: "/", Refs: []secret.Ref{moved}})
		failed(err)
		lines, err := c.AuditShow(t.Context(), agent.AuditQuery{Name: name.String()})
		did(err)
		if len(lines) == 0 {
			t.Error("the log does not find the name")
		}
	}
	text := fmt.Sprintf("# %[1]s\n[[rule]]\nname = %[1]q\nrefs = [\"*/*/%[2]s\"]\ndeny = true\n[[rule]]\nname = \"rest, %[1]s\"\nmax = 100\nper = \"1h\"\n", r.policy(), r.moved())
	did(fresh.SetPolicy(t.Context(), text))
	pin := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pin, []byte(canaryPIN), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(pin)
	did(fresh.SetPIN(t.Context(), agent.FromFile(pin)))
	use(asked)
	_, err := c.Put(t.Context(), agent.PutRequest{Ref: moved, Value: value()})
	failed(err) // denied by the policy: on record without the name
	failed(newClient(t, r.home, r.password).Passwd(t.Context(), agent.FromEnv("short")))
	_, err = c.Verify(t.Context())
	did(err)
	did(fresh.Rotate(t.Context()))
	return n
}

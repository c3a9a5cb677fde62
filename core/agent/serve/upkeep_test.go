package serve

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// realLog uses the audit log on disk.
func realLog(c *Config) { c.Audit = nil }

func valueOf(t *testing.T, c *agent.Client, ref secret.Ref) string {
	t.Helper()
	g, err := c.Grant(t.Context(), runOf(ref))
	if err != nil {
		t.Fatal(err)
	}
	return string(g.Secrets[0].Value.Reveal())
}

func TestChanges(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN")
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte("second-value"))}); err != nil {
		t.Fatal(err)
	}
	infos, err := c.History(t.Context(), dev("TOKEN"))
	if err != nil || len(infos) != 2 || infos[0].Version != 2 {
		t.Fatalf("History = %+v, %v", infos, err)
	}
	if info, err := c.Rollback(t.Context(), dev("TOKEN"), 1); err != nil || info.Version != 3 {
		t.Errorf("Rollback = %+v, %v", info, err)
	}
	if got := valueOf(t, c, dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("after rollback: %q", got)
	}
	if info, err := c.Tag(t.Context(), dev("TOKEN"), []string{"ci"}); err != nil || !slices.Equal(info.Tags, []string{"ci"}) {
		t.Errorf("Tag = %+v, %v", info, err)
	}
	if info, err := c.Rename(t.Context(), dev("TOKEN"), dev("NEW_NAME")); err != nil || info.Ref != dev("NEW_NAME") {
		t.Errorf("Rename = %+v, %v", info, err)
	}
	if got := valueOf(t, c, dev("NEW_NAME")); got != "value-of-TOKEN" {
		t.Errorf("after rename: %q", got)
	}
	if err := c.Delete(t.Context(), dev("NEW_NAME")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Grant(t.Context(), runOf(dev("NEW_NAME"))); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("Grant of a deleted secret: %v", err)
	}
	if _, err := c.Restore(t.Context(), dev("NEW_NAME")); err != nil {
		t.Error(err)
	}
	if got := valueOf(t, c, dev("NEW_NAME")); got != "value-of-TOKEN" {
		t.Errorf("after restore: %q", got)
	}
	for _, err := range []error{
		errOf(c.Rollback(t.Context(), dev("NEW_NAME"), 99)), errOf(c.Tag(t.Context(), dev("NOBODY"), nil)),
		errOf(c.Rename(t.Context(), dev("NOBODY"), dev("X"))), errOf(c.History(t.Context(), dev("NOBODY"))),
	} {
		if !errors.Is(err, agent.ErrNotFound) {
			t.Errorf("of what is not there: %v, want ErrNotFound", err)
		}
	}
	exposed, err := c.AuditExposed(t.Context(), time.Now().Add(-time.Hour), "cli")
	if err != nil || len(exposed) == 0 || !slices.ContainsFunc(exposed, func(e agent.Exposure) bool { return e.Name == dev("NEW_NAME").String() }) {
		t.Errorf("AuditExposed = %+v, %v", exposed, err)
	}
	lines, err := c.AuditShow(t.Context(), agent.AuditQuery{Name: dev("NEW_NAME").String()})
	if err != nil || len(lines) < 4 {
		t.Errorf("AuditShow of a name: %d lines, %v", len(lines), err)
	}
	if rep, err := c.AuditVerify(t.Context()); err != nil || rep.Problem != "" {
		t.Errorf("AuditVerify = %+v, %v", rep, err)
	}
}

func errOf[T any](_ T, err error) error { return err }

func write0600(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Whatever gives away or changes keys needs the password, unlocked or not.
func TestFreshPassword(t *testing.T) {
	r := newRig(t, realLog)
	unlocked := r.init(t, "TOKEN")
	wrong := r.client(t, func(o *agent.Options) {
		o.Password = agent.FromFile(write0600(t, filepath.Join(r.home, "wrong"), "not the password"))
	})
	out, err := os.Create(filepath.Join(r.home, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for name, do := range map[string]func(c *agent.Client) error{
		"kit":    func(c *agent.Client) error { return c.Kit(t.Context(), out) },
		"passwd": func(c *agent.Client) error { return c.Passwd(t.Context(), agent.FromEnv("another password")) },
		"rotate": func(c *agent.Client) error { return c.Rotate(t.Context()) },
		"prune": func(c *agent.Client) error {
			_, err := c.AuditPrune(t.Context(), agent.PruneRequest{Keep: 1})
			return err
		},
		"destroy": func(c *agent.Client) error { return c.Destroy(t.Context()) },
		"backup": func(c *agent.Client) error {
			return c.Backup(t.Context(), agent.BackupRequest{Out: out, Passphrase: agent.FromEnv("backup-passphrase")})
		},
	} {
		if err := do(unlocked); !errors.Is(err, agent.ErrLocked) {
			t.Errorf("%s without a password: %v, want ErrLocked", name, err)
		}
		if err := do(wrong); !errors.Is(err, agent.ErrPassword) {
			t.Errorf("%s with a wrong one: %v, want ErrPassword", name, err)
		}
		r.server.tries.right()
	}
	if info, _ := out.Stat(); info.Size() != 0 {
		t.Errorf("%d bytes came out without a password", info.Size())
	}
	if got := valueOf(t, unlocked, dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("after all that: %q", got)
	}
}

func TestKeys(t *testing.T) {
	r := newRig(t, realLog)
	r.init(t, "TOKEN")
	kit, err := os.Create(filepath.Join(r.home, "kit2"))
	if err != nil {
		t.Fatal(err)
	}
	defer kit.Close()
	if err := r.client(t).Kit(t.Context(), kit); err != nil {
		t.Fatal(err)
	}
	first, _ := os.ReadFile(filepath.Join(r.home, "kit"))
	again, _ := os.ReadFile(kit.Name())
	if len(first) == 0 || string(first) != string(again) {
		t.Error("the kit is another one than at first")
	}
	next := write0600(t, filepath.Join(r.home, "next"), "a new password\n")
	if err := r.client(t).Passwd(t.Context(), agent.FromFile(next)); err != nil {
		t.Fatal(err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("the old password: %v, want ErrPassword", err)
	}
	c := r.client(t, func(o *agent.Options) { o.Password = agent.FromFile(next) })
	if err := c.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitLocked(t, c)
	if err := c.Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, c, dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("after rotation: %q", got)
	}
	if rep, err := c.AuditVerify(t.Context()); err != nil || rep.Problem != "" {
		t.Errorf("audit after rotation: %+v, %v", rep, err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	if testing.Short() {
		t.Skip("scrypt takes long under the race detector; the full run covers it")
	}
	r := newRig(t, realLog)
	c := r.init(t, "TOKEN")
	pass := write0600(t, filepath.Join(r.home, "pass"), "passphrase of the backup\n")
	out, err := os.Create(filepath.Join(r.home, "backup.age"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := r.client(t).Backup(t.Context(), agent.BackupRequest{Out: out, Passphrase: agent.FromFile(pass)}); err != nil {
		t.Fatal(err)
	}
	blob, _ := os.ReadFile(out.Name())
	if !strings.HasPrefix(string(blob), "age-encryption.org/v1") || strings.Contains(string(blob), "TOKEN") {
		t.Errorf("the backup begins with %.40q", blob)
	}
	if _, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte("later-value"))}); err != nil {
		t.Fatal(err)
	}
	restore := func(r *rig, c *agent.Client, pass string) (agent.Report, error) {
		in, err := os.Open(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		return c.RestoreBackup(t.Context(), agent.RestoreRequest{In: in, Passphrase: agent.FromFile(pass)})
	}
	if _, err := restore(r, r.client(t), r.file); !errors.Is(err, agent.ErrPassword) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if got := valueOf(t, c, dev("TOKEN")); got != "later-value" {
		t.Errorf("a failed restore left %q", got)
	}
	if rep, err := restore(r, r.client(t), pass); err != nil || rep.Readable != rep.Records || rep.Secrets != 1 {
		t.Fatalf("restore: %+v, %v", rep, err)
	}
	if err := r.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, c, dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("after restore: %q", got)
	}
	if kept, _ := filepath.Glob(filepath.Join(r.home, "vault.db.before-restore-*")); len(kept) == 0 {
		t.Error("the replaced store was not kept")
	}

	// On another machine the Secret Key is asked for.
	other := newRig(t, realLog)
	p := newPerson(t)
	kit, _ := os.ReadFile(filepath.Join(r.home, "kit"))
	_, key, _ := strings.Cut(string(kit), "Secret Key:  ")
	key, _, _ = strings.Cut(key, "\n")
	oc := other.at(t, p)
	done := during(func() error { _, err := restore(other, oc, pass); return err })
	p.sees("Master password of the backup: ")
	p.types(testPassword + "\n")
	p.sees("Secret Key (OV1-...)")
	p.types(key + "\n")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := other.client(t).Unlock(t.Context(), agent.TTLs{}); err != nil {
		t.Fatal(err)
	}
	if got := valueOf(t, other.client(t, noPassword), dev("TOKEN")); got != "value-of-TOKEN" {
		t.Errorf("on another machine: %q", got)
	}
}

func TestDestroy(t *testing.T) {
	r := newRig(t, realLog)
	r.init(t, "TOKEN")
	if err := r.client(t).Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vault.db", "vault.db-wal", "device", "seen"} {
		if _, err := os.Lstat(filepath.Join(r.home, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
}

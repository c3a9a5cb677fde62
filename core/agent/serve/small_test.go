package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/policy"
	"github.com/opaquevault/ov/core/secret"
)

func TestClosest(t *testing.T) {
	names := []string{"DATABASE_URL", "DATABASE_USER", "STRIPE_KEY", "STRIPE_SECRET_KEY", "A", "TOKEN"}
	for want, similar := range map[string][]string{
		"DATABASE_ULR": {"DATABASE_URL", "DATABASE_USER"},
		"database_url": {"DATABASE_URL", "DATABASE_USER"},
		"STRIPE":       {"STRIPE_KEY", "STRIPE_SECRET_KEY"},
		"TOKN":         {"TOKEN"},
		"B":            {"A"},
		"NOTHING_LIKE": {},
		"":             {"A"},
	} {
		if got := closest(want, names); !slices.Equal(got, similar) {
			t.Errorf("closest(%q) = %q, want %q", want, got, similar)
		}
	}
	if got := closest("X1", []string{"X2", "X3", "X4", "X5"}); len(got) != maxSimilar {
		t.Errorf("%d names are offered, want %d", len(got), maxSimilar)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"kitten", "sitting", 3}, {"abc", "abc", 0}, {"ab", "ba", 2}, {"flaw", "lawn", 2}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := distance(tt.b, tt.a); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.b, tt.a, got, tt.want)
		}
	}
}

func TestTriesFile(t *testing.T) {
	home := t.TempDir()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tr := newTries(home, func() time.Time { return now })
	for i := range maxTries {
		if left := tr.wrong(); left != maxTries-1-i {
			t.Errorf("after %d wrong ones %d are left", i+1, left)
		}
	}
	if err := tr.check(); !errors.Is(err, agent.ErrPause) || !strings.Contains(err.Error(), "wait 30s") {
		t.Errorf("check: %v", err)
	}
	for range 20 {
		tr.wrong()
	}
	now = now.Add(maxWait - time.Second)
	if err := tr.check(); !errors.Is(err, agent.ErrPause) {
		t.Errorf("the longest pause is shorter than %v", maxWait)
	}
	now = now.Add(2 * time.Second)
	if err := tr.check(); err != nil {
		t.Errorf("the pause does not end: %v", err)
	}
	tr.wrong()
	now = now.AddDate(-10, 0, 0) // a clock that was wrong
	if err := tr.check(); err != nil {
		t.Errorf("a pause of ten years: %v", err)
	}
	if err := os.WriteFile(tr.path, []byte("{half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := tr.check(); err != nil {
		t.Errorf("with a broken file: %v", err)
	}
	if info, err := os.Stat(filepath.Dir(tr.path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the count: %v, %v", info.Mode(), err)
	}
	tr.right()
	if _, err := os.Stat(tr.path); err == nil {
		t.Error("the count is kept after a right password")
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(1000, 10)
	start := time.Now()
	for range 60 {
		if err := b.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took < 30*time.Millisecond {
		t.Errorf("60 requests in %v, at 1000 a second after 10", took)
	}
	slow := newBucket(0.01, 1)
	if err := slow.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := slow.take(t.Context()); !errors.Is(err, agent.ErrBusy) {
		t.Errorf("a wait of 100 s: %v, want ErrBusy", err)
	}
}

func TestAgentProgram(t *testing.T) {
	for cmdline, want := range map[string]string{
		"claude\x00": "claude",
		"/usr/bin/node\x00/opt/lib/claude\x00--resume\x00": "claude",
		"node\x00/home/me/gemini.js\x00":                   "gemini",
		"/opt/codex\x00exec\x00":                           "codex",
		"bash\x00-c\x00claude\x00":                         "",
		"vim\x00claude.md\x00":                             "",
		"":                                                 "",
		"/usr/bin/claudette\x00":                           "",
		"/usr/local/bin/ov-mcp\x00serve\x00":               "ov-mcp",
	} {
		if got := agentProgram([]byte(cmdline)); got != want {
			t.Errorf("agentProgram(%q) = %q, want %q", cmdline, got, want)
		}
	}
}

// A process may call itself anything, brackets included.
func TestParent(t *testing.T) {
	dir := t.TempDir()
	for stat, want := range map[string]int{
		"7 (bash) S 42 7 7 0":    42,
		"7 (a) R 1 (b) S 42 7 7": 42,
		"7 (x\n) 9 9) S 42 7":    42,
		"7 (bash) S":             0,
		"":                       0,
		"no brackets":            0,
	} {
		if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := parent(dir); got != want {
			t.Errorf("parent of %q = %d, want %d", stat, got, want)
		}
	}
	if got := parent(fmt.Sprintf("/proc/%d", os.Getpid())); got != os.Getppid() {
		t.Errorf("our parent is %d, want %d", got, os.Getppid())
	}
}

// What a person is shown cannot be made to look like something else.
func TestDescribe(t *testing.T) {
	r := Request{Verb: VerbRun, Actor: Actor{Client: "mcp:x"}, Grant: runOf()}
	for i := range 12 {
		r.Refs = append(r.Refs, prod(fmt.Sprintf("S_%d", i)))
	}
	r.Grant.Argv = []string{"rm", "", "a b", "it's", "\x1b]0;x\x07", "\u202egnp.exe", "--ok"}
	r.Grant.Dir = "/tmp/\u202e\nov: mcp:x asks to do nothing"
	r.Grant.Reason = "because\r\nof " + strings.Repeat("x", 500)
	r.Grant.ExtraEnv = []string{"A=b\x1b[2J"}
	lines := r.describe(policy.Once)
	all := strings.Join(lines, "\n")
	if strings.ContainsAny(strings.ReplaceAll(all, "\n", ""), "\x1b\x07\r\u202e") {
		t.Errorf("control characters reach the terminal: %q", all)
	}
	for _, want := range []string{`command: rm "" "a b" "it's" "\x1b]0;x\a" "\u202egnp.exe" --ok`, "and 2 more", "for exactly this command", `sets:    "A=b\x1b[2J"`, `folder:  "/tmp/\u202e\nov`} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in %q", want, all)
		}
	}
	for _, l := range lines {
		if strings.Contains(l, "\n") || len(l) > 1000 {
			t.Errorf("%q is not one line", l)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{"plain": "plain", "a\nb\tc": "a b c", "\xff\xfebad": "bad", "c1\u0085x": "c1 x", "a\u202eb\u2028c\u200bd": "a b c d", strings.Repeat("é", 300): strings.Repeat("é", maxReason)} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%.20q) = %.40q", in, got)
		}
	}
}

func TestListSpacesVerifyStatus(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "A_ONE", "A_TWO", "B_ONE")
	infos, err := c.List(t.Context(), "default", "development", "A_")
	if err != nil || len(infos) != 2 || infos[0].Ref != dev("A_ONE") || infos[0].Version != 1 || infos[0].Device == "" {
		t.Errorf("List = %+v, %v", infos, err)
	}
	spaces, err := c.Spaces(t.Context())
	if err != nil || !slices.Contains(spaces, agent.Space{App: "default", Env: "development", Secrets: 3}) {
		t.Errorf("Spaces = %+v, %v", spaces, err)
	}
	report, err := c.Verify(t.Context())
	if err != nil || report.Secrets != 3 || report.Readable != report.Records || len(report.Problems) > 0 {
		t.Errorf("Verify = %+v, %v", report, err)
	}
	st, err := c.Status(t.Context())
	if err != nil || !st.Running || st.Locked || !st.Vault || st.PID != os.Getpid() || st.Version != "test" || st.IdleLeft <= 14*time.Minute || st.HardLeft <= 7*time.Hour || st.Grants != 0 {
		t.Errorf("Status = %+v, %v", st, err)
	}
	g, err := c.Grant(t.Context(), runOf(dev("A_ONE")))
	if err != nil {
		t.Fatal(err)
	}
	if st, _ := c.Status(t.Context()); st.Grants != 1 {
		t.Errorf("%d grants in use, want 1", st.Grants)
	}
	c.Complete(t.Context(), agent.Completion{GrantID: g.ID})
	if st, _ := c.Status(t.Context()); st.Grants != 0 {
		t.Errorf("%d grants in use, want 0", st.Grants)
	}
	since := time.Now()
	c.Info(t.Context(), dev("B_ONE"))
	lines, err := c.AuditShow(t.Context(), agent.AuditQuery{Since: since})
	if err != nil || len(lines) == 0 || !strings.Contains(lines[len(lines)-1].Text, "secret_info") {
		t.Errorf("AuditShow since = %+v, %v", lines, err)
	}
	if lines, err := c.AuditShow(t.Context(), agent.AuditQuery{Since: since.Add(time.Hour)}); err != nil || len(lines) != 0 {
		t.Errorf("AuditShow of the future = %+v, %v", lines, err)
	}
	if lines, err := c.AuditShow(t.Context(), agent.AuditQuery{Limit: 3}); err != nil || len(lines) != 3 {
		t.Errorf("AuditShow of 3 = %d lines, %v", len(lines), err)
	}
	for _, l := range lines {
		if strings.Contains(l.Text, "B_ONE") || strings.Contains(string(l.Record), "B_ONE") {
			t.Errorf("the log names a secret: %s", l.Text)
		}
	}
}

// A damaged store: what can be read is said, with the password.
func TestVerifyOfDamage(t *testing.T) {
	r := newRig(t, realLog)
	c := r.init(t, "ONE", "TWO")
	c.Lock(t.Context())
	waitLocked(t, c)
	raw, err := os.ReadFile(filepath.Join(r.home, "vault.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.home, "vault.db"), raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	err = r.client(t).Unlock(t.Context(), agent.TTLs{})
	if !errors.Is(err, agent.ErrCorrupt) && !errors.Is(err, agent.ErrTampered) && !errors.Is(err, agent.ErrRollback) || agent.Hint(err) == "" {
		t.Errorf("unlock of half a store: %v, hint %q", err, agent.Hint(err))
	}
	if _, err := c.Grant(t.Context(), runOf(dev("ONE"))); !errors.Is(err, agent.ErrLocked) {
		t.Errorf("Grant: %v", err)
	}
}

// Two clients at the same secret: both land, or one is told.
func TestConflict(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	put := func(value string, version uint64) error {
		_, err := c.Put(t.Context(), agent.PutRequest{Ref: dev("TOKEN"), Value: secret.New([]byte(value)), IfVersion: version})
		return err
	}
	if err := put("second", 1); err != nil {
		t.Fatal(err)
	}
	if err := put("third", 1); !errors.Is(err, agent.ErrConflict) || agent.Hint(err) == "" {
		t.Errorf("on an old version: %v, hint %q", err, agent.Hint(err))
	}
	if got := valueOf(t, c, dev("TOKEN")); got != "second" {
		t.Errorf("it is %q", got)
	}
}

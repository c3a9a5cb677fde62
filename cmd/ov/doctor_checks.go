package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/proc"
	"github.com/opaquevault/ov/core/version"
)

// siblings are the programs that ov calls.
func siblings() []string { return []string{"ov-agent", "ov-mcp", "ov-import", "ov-provider"} }

// programs: all of one build, beside each other, and the ones that a shell finds.
func (p *patient) programs(ctx context.Context) []finding {
	mine := version.Get().String()
	var found []finding
	for _, name := range siblings() {
		path, err := agent.Sibling(name)
		if err != nil {
			found = append(found, finding{"programs", problem, err.Error(), hint(err)})
			continue
		}
		out, err := ask(ctx, path, "--version")
		got := strings.TrimSpace(strings.TrimPrefix(string(out), name))
		switch {
		case err != nil:
			found = append(found, finding{"programs", problem, fmt.Sprintf("%s does not start: %v", path, err), "install all programs again, from one build"})
		case got != mine:
			found = append(found, finding{"programs", problem, fmt.Sprintf("%s is %s, ov is %s", path, got, mine), "install all programs again, from one build"})
		}
	}
	if len(found) == 0 {
		found = append(found, finding{"programs", fine, "all of " + mine, ""})
	}
	return append(found, onPath()...)
}

// onPath compares the ov that a shell would start with this one.
func onPath() []finding {
	self, err := os.Executable()
	if err != nil {
		return nil
	}
	path, err := exec.LookPath("ov")
	if err != nil {
		return []finding{{"programs", note, "ov is not on PATH", "add " + filepath.Dir(self) + " to PATH"}}
	}
	a, errA := os.Stat(self)
	b, errB := os.Stat(path)
	if errA == nil && errB == nil && !os.SameFile(a, b) {
		return []finding{{"programs", note, fmt.Sprintf("this is %s, but a shell starts %s", self, path), "remove one of them, or change the order of PATH"}}
	}
	return nil
}

// ask runs one of our programs for an answer.
func ask(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = time.Second
	return cmd.Output()
}

// folder: the home folder and what is in it belong to nobody else.
func (p *patient) folder(context.Context) []finding {
	var found []finding
	open := func(path string, mode fs.FileMode) {
		found = append(found, finding{"folder", problem, fmt.Sprintf("%s can be read or changed by others (%v)", path, mode.Perm()), "chmod go= " + path})
	}
	entries := []string{p.home}
	for _, pattern := range []string{"*", "*/*"} {
		more, err := filepath.Glob(filepath.Join(p.home, pattern))
		if err == nil {
			entries = append(entries, more...)
		}
	}
	for _, path := range entries {
		st, err := os.Lstat(path)
		if err != nil || st.Mode()&fs.ModeSymlink != 0 || st.Mode()&fs.ModeSocket != 0 {
			continue
		}
		// What is below a closed folder is closed; what others may write is not ours.
		if path == p.home && st.Mode().Perm()&0o077 != 0 || st.Mode().Perm()&0o022 != 0 {
			open(path, st.Mode())
		}
	}
	if says, fix := folderTrouble(p.home); says != "" {
		found = append(found, finding{"folder", problem, says, fix})
	}
	if len(found) == 0 {
		found = append(found, finding{"folder", fine, p.home, ""})
	}
	return found
}

func (p *patient) vault(context.Context) []finding {
	if !p.status.Vault {
		return []finding{{"vault", problem, "there is none in " + p.home, "ov vault init"}}
	}
	if says, fix := p.halfVault(); says != "" {
		return []finding{{"vault", problem, says, fix}}
	}
	if st := p.status; len(st.Shared)+len(st.Asked) > 0 {
		return shared(st)
	}
	return []finding{{"vault", fine, `there is one ("ov vault verify" opens and checks every record)`, ""}}
}

// shared: what a home that uses somebody else's vault has of it.
func shared(st agent.Status) []finding {
	var found []finding
	for _, e := range st.Shared {
		what, how := sharedLine(e)
		switch {
		case e.Ended:
			found = append(found, finding{"vault", problem, "its owner has ended what this home could do: " + what, `ask them; "ov vault destroy" removes what is left here`})
		case !e.NotAfter.IsZero() && time.Until(e.NotAfter) <= 0:
			found = append(found, finding{"vault", problem, what + " is over, " + how, "ask its owner to give it again, to another home"})
		case !e.NotAfter.IsZero() && time.Until(e.NotAfter) < soonOver:
			found = append(found, finding{"vault", note, what + " ends soon, " + how, "ask its owner to give it again, to another home"})
		default:
			found = append(found, finding{"vault", fine, what + " " + how, ""})
		}
	}
	if len(st.Shared) == 0 {
		found = append(found, finding{"vault", note, "this home has asked for an environment and has none yet", `"ov share accept INVITATION", once the owner of a vault has answered`})
	}
	return found
}

// soonOver is when the end of what was shared is worth a word.
const soonOver = 7 * 24 * time.Hour

// halfVault: the store and what this device knows of it belong together. With a
// server the store is a copy, which is fetched again.
func (p *patient) halfVault() (says, fix string) {
	lacks := func(name string) bool {
		_, err := os.Lstat(filepath.Join(p.home, name))
		return errors.Is(err, fs.ErrNotExist)
	}
	switch {
	case lacks("member") && lacks("device"):
		return filepath.Join(p.home, "device") + " is missing, and with it the Secret Key: the store opens for nobody", `bring the file back, or "ov vault restore" a backup: it asks for the recovery kit`
	case lacks("device"): // it uses somebody else's
	case lacks("remote") && lacks("vault.db"):
		return filepath.Join(p.home, "vault.db") + " is missing: that is the store", `bring the file back, or "ov vault restore" a backup`
	}
	return "", ""
}

func (p *patient) agent(context.Context) []finding {
	st := p.status
	switch {
	case !st.Vault:
		return nil
	case !st.Running:
		return []finding{{"agent", note, "none runs: each command asks for the password", "ov unlock"}}
	}
	found := []finding{}
	if mine := version.Get().Version; st.Version != "" && st.Version != mine {
		found = append(found, finding{"agent", problem, fmt.Sprintf("the running one is %s, ov is %s", st.Version, mine), "ov agent restart"})
	}
	if st.Locked {
		found = append(found, finding{"agent", note, "it is locked", "ov unlock"})
	}
	if st.Memory == "plain" {
		found = append(found, finding{"agent", note, "keys are in memory that can be swapped out", "raise the limit of locked memory: ulimit -l 8192"})
	}
	if len(found) == 0 {
		found = append(found, finding{"agent", fine, describe(st), ""})
	}
	return found
}

// kernel: what runs rely on here.
func (p *patient) kernel(context.Context) []finding {
	var found []finding
	all := proc.Kernel()
	for _, f := range all {
		if !f.Have {
			found = append(found, finding{"kernel", note, f.Name + " is not to be had: " + f.Without, ""})
		}
	}
	if len(found) == 0 {
		found = append(found, finding{"kernel", fine, fmt.Sprintf("has all %d features that runs rely on", len(all)), ""})
	}
	return found
}

// password: where the master password comes from is not open to others.
func (p *patient) password(context.Context) []finding {
	var found []finding
	if os.Getenv("OV_PASSWORD") != "" {
		found = append(found, finding{"password", note, "OV_PASSWORD can be read by every process of yours", "OV_PASSWORD_FILE, with a file of mode 0600"})
	}
	if path := os.Getenv("OV_PASSWORD_FILE"); path != "" {
		switch st, err := os.Stat(path); {
		case err != nil:
			found = append(found, finding{"password", problem, "OV_PASSWORD_FILE: " + err.Error(), "correct the path, or unset it"})
		case st.Mode().IsRegular() && st.Mode().Perm()&0o077 != 0:
			found = append(found, finding{"password", problem, fmt.Sprintf("%s can be read by others (%v)", path, st.Mode().Perm()), "chmod 600 " + path})
		}
	}
	if by := agent.Detect(os.Environ()); by != "" {
		found = append(found, finding{"password", note, "this shell belongs to " + by + ": what needs the master password afresh is refused here", "do it in a terminal of your own"})
	}
	return found
}

// scanners: those that are installed are what was installed.
func (p *patient) scanners(context.Context) []finding {
	modules, err := p.c.scannerStore(p.home).List()
	if err == nil {
		_, err = p.c.ruleFolder(p.home).Load()
	}
	if err != nil {
		return []finding{{"scanners", problem, err.Error(), `"ov scanner verify" says which; add it again, or remove it`}}
	}
	return []finding{{"scanners", fine, plural(len(modules), "third-party module"), ""}}
}

// clients: which MCP clients know ov.
func (p *patient) clients(ctx context.Context) []finding {
	path, err := agent.Sibling("ov-mcp")
	if err != nil {
		return nil // said already
	}
	out, err := ask(ctx, path, "list", "--json")
	var rows []struct {
		Client, Title, File, Command, Error string
		Present, Installed                  bool
	}
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(out)).Decode(&rows)
	}
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) && len(failed.Stderr) > 0 {
			err = errors.New(strings.TrimSpace(strings.TrimPrefix(string(failed.Stderr), "ov: ")))
		}
		return []finding{{"MCP clients", note, fmt.Sprintf("ov-mcp cannot list them: %v", err), "set HOME: the clients' files are looked for there"}}
	}
	var found []finding
	var know []string
	for _, r := range rows {
		switch {
		case r.Error != "":
			found = append(found, finding{"MCP clients", note, r.Title + ": " + r.Error, "correct " + r.File})
		case r.Installed && gone(r.Command):
			found = append(found, finding{"MCP clients", problem, fmt.Sprintf("%s starts %s, which is not there", r.Title, r.Command), "ov mcp install " + r.Client})
		case r.Installed:
			know = append(know, r.Title)
		case r.Present:
			found = append(found, finding{"MCP clients", note, r.Title + " does not know ov", "ov mcp install " + r.Client})
		}
	}
	if len(know) > 0 {
		found = append(found, finding{"MCP clients", fine, "ov is installed in " + strings.Join(know, ", "), ""})
	}
	return found
}

func gone(command string) bool {
	_, err := os.Stat(command)
	return filepath.IsAbs(command) && errors.Is(err, fs.ErrNotExist)
}

// clock: nothing that was written lies in the future.
func (p *patient) clock(context.Context) []finding {
	newest := time.Time{}
	files, _ := filepath.Glob(filepath.Join(p.home, "*"))
	for _, path := range files {
		if st, err := os.Stat(path); err == nil && st.ModTime().After(newest) {
			newest = st.ModTime()
		}
	}
	if ahead := time.Until(newest); ahead > 5*time.Minute {
		return []finding{{"clock", problem, fmt.Sprintf("%s was written %v from now", p.home, round(ahead)), "set the clock: the audit log and expiry dates rely on it"}}
	}
	return []finding{{"clock", fine, "behind nothing that was written", ""}}
}

// rotation: what is due for a new value, of where we are, when the vault is open.
func (p *patient) rotation(ctx context.Context) []finding {
	if p.cfg == nil || !p.status.Vault || p.status.Locked || !p.status.Running {
		return nil
	}
	a := ages(ctx, p.client, p.cfg)
	if a == nil || len(p.cfg.User.Rotation) == 0 {
		return nil
	}
	if a.Due > 0 {
		return []finding{{"rotation", note, fmt.Sprintf("%s of %s due for a new value", plural(a.Due, "secret"), p.cfg.Context().Space()), "ov secret list --stale; ov secret rotate NAME"}}
	}
	return []finding{{"rotation", fine, "nothing is due in " + p.cfg.Context().Space(), ""}}
}

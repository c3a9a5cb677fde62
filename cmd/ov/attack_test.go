package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/agenttest"
)

// A siege is an unlocked vault whose production is asked for, and a coding
// agent with a shell of the same user: it has no password, and anything else.
type siege struct {
	*world
	t        *testing.T
	password string
	marker   string // exists when a command got through
}

const besieged = `
[loosen]
approve_unattended = true

[[rule]]
name = "deploy"
refs = ["default/production/KEY"]
verbs = ["run"]
env = ["HOME"]
executables = ["TOOL", "HASHED#sha256:SUM"]
argv = ["plan *", "apply -auto-approve"]

[[rule]]
name = "each use"
refs = ["*/production/*"]
approval = "always"

[[rule]]
name = "everything else"
`

func newSiege(t *testing.T) *siege {
	w := vaulted(t)
	s := &siege{world: w, t: t, password: w.env["OV_PASSWORD_FILE"], marker: filepath.Join(w.work, "got-through")}
	if agenttest.Around() != "" {
		t.Skip("a coding agent runs this test: it could not set the stage; CI covers it")
	}
	w.must(t, w.canary, "secret", "set", "production/KEY", "--stdin")
	tool := s.tool("tool", "touch "+s.marker)
	hashed := s.tool("hashed", "touch "+s.marker)
	content, err := os.ReadFile(hashed)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("TOOL", tool, "HASHED", hashed, "SUM", fmt.Sprintf("%x", sha256.Sum256(content))).Replace(besieged)
	w.must(t, "", "policy", "edit", "--file", w.file(t, "draft", text))
	w.must(t, "", "unlock")
	delete(w.env, "OV_PASSWORD_FILE")
	return s
}

// tool writes a program.
func (s *siege) tool(name, does string) string {
	path := s.file(s.t, name, "#!/bin/sh\n"+does+"\n")
	if err := os.Chmod(path, 0o700); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// through reports whether ov with these arguments ran the command.
func (s *siege) through(args ...string) bool {
	s.t.Helper()
	os.Remove(s.marker)
	s.command(args...).Run()
	_, err := os.Stat(s.marker)
	return err == nil
}

// run is a command line that leaves the marker when it is let through.
func (s *siege) run(extra ...string) []string {
	return append([]string{"run", "--pristine", "--secrets", "production/KEY", "--"}, append(extra, "touch", s.marker)...)
}

// held fails the test when ov let the command through.
func (s *siege) held(args ...string) {
	s.t.Helper()
	if s.through(args...) {
		s.t.Errorf("ov %s was let through", strings.Join(args, " "))
	}
}

func (s *siege) waiting() []agent.Pending {
	s.t.Helper()
	var all []agent.Pending
	if err := json.Unmarshal([]byte(s.must(s.t, "", "approve", "--json").stdout), &all); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// faked runs ov on a terminal of the attacker's own, and types into it.
func (s *siege) faked(types string, args ...string) string {
	line := s.env["OV_PROGRAM"]
	for _, a := range args {
		line += " '" + a + "'"
	}
	cmd := exec.Command("script", "-qec", line, "/dev/null")
	cmd.Env, cmd.Dir, cmd.Stdin = s.environ(), s.work, strings.NewReader(types)
	out, _ := cmd.CombinedOutput()
	return string(out)
}

// TestAttackFromAShell is what a coding agent tries, one way in each subtest.
func TestAttackFromAShell(t *testing.T) {
	need(t, "script")
	s := newSiege(t)
	plan := []string{"run", "--pristine", "--secrets", "production/KEY", "--", filepath.Join(s.work, "tool"), "plan", "x"}
	if !s.through(plan...) { // so that "held" means something
		t.Fatal("what the policy allows is not let through")
	}
	attack := func(name string, f func(*siege)) {
		t.Run(name, func(t *testing.T) { sub := *s; sub.t = t; f(&sub) })
	}
	attack("run on production", func(s *siege) {
		s.held(s.run()...)
		if len(s.waiting()) != 1 {
			s.t.Errorf("%d requests wait", len(s.waiting()))
		}
	})
	attack("a replayed approval", func(s *siege) {
		s.held(s.run()...)
		var id string
		for _, p := range s.waiting() {
			if strings.Contains(strings.Join(p.Lines, " "), s.marker) {
				id = p.ID
			}
		}
		s.env["OV_PASSWORD_FILE"] = s.password
		s.must(s.t, "", "approve", id)
		delete(s.env, "OV_PASSWORD_FILE")
		if !s.through(s.run()...) {
			s.t.Error("approved, and not let through")
		}
		s.held(s.run()...)
		if out, err := s.command("approve", id).CombinedOutput(); err == nil || bytes.Contains(out, []byte("allowed")) {
			s.t.Errorf("approved twice: %s", out)
		}
	})
	attack("a faked terminal", func(s *siege) {
		os.Remove(s.marker)
		out := s.faked("yes\ny\n\n\n\n\n", s.run()...)
		if _, err := os.Stat(s.marker); err == nil || !strings.Contains(out, "assword") {
			s.t.Errorf("let through, or never asked: %s", out)
		}
	})
	attack("ov approve fed by script", func(s *siege) {
		s.held(s.run()...)
		s.faked("yes\ny\n", "approve", s.waiting()[0].ID)
		s.held(s.run()...)
	})
	attack("files in OV_HOME", func(s *siege) {
		home := filepath.Join(s.env["HOME"], ".ov")
		for _, name := range []string{"policy.toml", "policy", "config.toml", "config.yaml", "policy.json"} {
			path := filepath.Join(home, name)
			if _, err := os.Stat(path); err == nil {
				continue
			}
			if err := os.WriteFile(path, []byte("[[rule]]\nname = \"all\"\n"), 0o600); err != nil {
				s.t.Fatal(err)
			}
			s.held(s.run()...)
			os.Remove(path)
		}
	})
	attack("OV_ variables", func(s *siege) {
		for name, value := range map[string]string{"OV_POLICY": "none", "OV_CLIENT": "machine:ci", "OV_APPROVE": "1", "OV_YES": "1", "OV_PASSWORD": "yes", "OV_ENV": "development"} {
			s.env[name] = value
			s.held(s.run()...)
			delete(s.env, name)
		}
	})
	attack("GH_HOST and HTTPS_PROXY beside an executable rule", func(s *siege) {
		with := func(extra ...string) bool {
			os.Remove(s.marker)
			cmd := s.command(append([]string{"run", "--secrets", "production/KEY"}, plan[4:]...)...)
			cmd.Env = append([]string{"PATH=/usr/bin:/bin", "HOME=" + s.env["HOME"], "TERM=dumb"}, extra...)
			cmd.Run()
			_, err := os.Stat(s.marker)
			return err == nil
		}
		if !with() {
			s.t.Error("a harmless environment is not let through")
		}
		for _, name := range []string{"GH_HOST", "HTTPS_PROXY", "LD_PRELOAD", "BASH_ENV"} {
			if with(name + "=evil") {
				s.t.Errorf("%s is let through", name)
			}
		}
	})
	attack("a symbolic link in the executable's name", func(s *siege) {
		link := filepath.Join(s.work, "here", "tool")
		s.dir(s.t, "here")
		if err := os.Symlink(s.tool("evil", "touch "+s.marker), link); err != nil {
			s.t.Fatal(err)
		}
		s.held("run", "--pristine", "--secrets", "production/KEY", "--", link, "plan", "x")
	})
	attack("a hard link, and the program's name in other ways", func(s *siege) {
		tool := plan[5]
		hard := filepath.Join(s.work, "hard")
		if err := os.Link(tool, hard); err != nil {
			s.t.Fatal(err)
		}
		s.held(append(slices.Clone(plan[:5]), hard, "plan", "x")...)
		s.held(append(slices.Clone(plan[:5]), "/usr/bin/env", "-S", tool+" plan x")...)
		s.held(append(slices.Clone(plan[:5]), "/bin/sh", "-c", tool+" plan x")...)
		s.held(append(slices.Clone(plan[:5]), "/bin/sh", tool, "plan", "x")...)
		s.held(append(slices.Clone(plan[:5]), strings.ToUpper(tool), "plan", "x")...)
		s.held(append(slices.Clone(plan[:5]), "/proc/self/exe", "plan", "x")...)
		if !s.through(append(slices.Clone(plan[:5]), filepath.Dir(tool)+"/../"+filepath.Base(filepath.Dir(tool))+"/"+filepath.Base(tool), "plan", "x")...) {
			s.t.Error("the same file by a longer path is not let through")
		}
	})
	attack("argv tricks", func(s *siege) {
		tool := plan[5]
		for _, argv := range [][]string{{"plan"}, {"plan", "x", "-destroy"}, {"plan x"}, {"apply"}, {"apply", "-auto-approve", ""}, {"-chdir=/tmp", "plan", "x"}} {
			s.held(append([]string{"run", "--pristine", "--secrets", "production/KEY", "--", tool}, argv...)...)
		}
	})
	attack("a rename out of production", func(s *siege) {
		if r := s.ov(s.t, "", "secret", "rename", "production/KEY", "development/FREE"); r.code == 0 {
			s.t.Error("renamed")
		}
	})
	attack("masking lanes switched off", func(s *siege) {
		if !s.through("run", "--redact", "exact,encoded,squeezed,fragments", "--", "touch", s.marker) {
			s.t.Error("all lanes are not let through")
		}
		s.held("run", "--redact", "exact", "--", "touch", s.marker)
	})
	attack("a replaced executable", func(s *siege) {
		hashed := append(slices.Clone(plan[:5]), filepath.Join(s.work, "hashed"), "plan", "x")
		if !s.through(hashed...) {
			s.t.Error("the file that the rule names is not let through")
		}
		s.tool("hashed", "touch "+s.marker+"; : and something else")
		s.held(hashed...)
	})
}

package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Says puts what p weakens into words, a line each: what is under [loosen], and
// rules whose program runs any other one.
func (p *Policy) Says() []string {
	out := p.Loosen.Says()
	for i := range p.Rules {
		r := &p.Rules[i]
		for _, e := range r.Executables {
			file, _, _ := strings.Cut(path.Base(strings.SplitN(e, "#", 2)[0]), ".")
			if !r.Deny && slices.Contains(launchers(), strings.TrimRight(file, "0123456789")) && r.anyWords() {
				out = append(out, fmt.Sprintf("rule %q: %s runs any other program; name the words that it may be given", r.Name, e))
			}
		}
	}
	return out
}

// anyWords reports whether the rule leaves open what its program is told first,
// or what a shell is told to run.
func (r *Rule) anyWords() bool {
	if len(r.Argv) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Argv, func(pattern string) bool {
		words := strings.Fields(pattern)
		return len(words) > 0 && (strings.HasPrefix(words[0], "*") || strings.HasPrefix(words[0], "-") && strings.Contains(pattern, "*"))
	})
}

// launchers run what they are told to.
func launchers() []string {
	return []string{"sh", "bash", "dash", "zsh", "ksh", "fish", "busybox", "toybox", "env", "xargs", "find", "sudo", "doas", "su", "nice", "nohup", "timeout", "setsid",
		"stdbuf", "script", "watch", "parallel", "make", "ssh", "python", "perl", "ruby", "node", "nodejs", "deno", "bun", "php", "lua", "awk", "gawk", "mawk", "tclsh", "vim", "vi", "emacs"}
}

// Says puts what l weakens into words, a line each; none when it weakens nothing.
func (l *Loosen) Says() []string {
	var out []string
	if l.ValueParameter {
		out = append(out, "MCP clients may send values as parameters: the model has seen them")
	}
	if l.WarnOnly {
		out = append(out, "a secret in an argument of an MCP client's call is warned of, not refused")
	}
	if l.ApproveUnattended {
		out = append(out, "a password from a file or a command approves, and nobody looks at what")
	}
	if l.KnownOnly {
		out = append(out, "masking by shape may be left out (--level known)")
	}
	if len(l.FailOpenScanners) > 0 {
		out = append(out, "what these scanners fail on is passed on as it is: "+strings.Join(l.FailOpenScanners, ", "))
	}
	if len(l.Names) > 0 {
		out = append(out, "variables that make programs run code may be injected: "+strings.Join(l.Names, ", "))
	}
	if len(l.Lanes) > 0 {
		out = append(out, "masking may be switched off on the lanes "+strings.Join(l.Lanes, ", "))
	}
	return out
}

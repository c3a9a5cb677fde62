package policy

import "strings"

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

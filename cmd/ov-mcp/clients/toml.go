package clients

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// installTOML puts a table at the end, after taking an earlier one out. TOML
// tables can stand in any order, so nothing else has to move.
func installTOML(doc []byte, servers, name string, s Server) ([]byte, error) {
	nl := "\n"
	if bytes.Contains(doc, []byte("\r\n")) {
		nl = "\r\n"
	}
	text := string(removeTOML(doc, servers+"."+name))
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += nl
	}
	if text != "" && !strings.HasSuffix(text, nl+nl) {
		text += nl
	}
	quoted := make([]string, len(s.Args))
	for i, a := range s.Args {
		quoted[i] = quote(a)
	}
	text += fmt.Sprintf("[%s.%s]%scommand = %s%sargs = [%s]%s", servers, name, nl, quote(s.Command), nl, strings.Join(quoted, ", "), nl)
	if inline(doc, servers) {
		return nil, ErrByHand
	}
	after := []byte(text)
	return after, onlyThisTOML(doc, after, []string{servers, name}, object{{"command", s.Command}, {"args", s.Args}})
}

// inline reports whether a table is written as { ... }, to which no header may add.
// Not every reader minds.
func inline(doc []byte, table string) bool {
	for line := range strings.Lines(string(doc)) {
		name, value, ok := strings.Cut(line, "=")
		if ok && strings.Trim(name, " \t\"'"+mark) == table && strings.HasPrefix(strings.TrimSpace(value), "{") {
			return true
		}
	}
	return false
}

// uninstallTOML takes the table out again.
func uninstallTOML(doc []byte, servers, name string) ([]byte, error) {
	after := removeTOML(doc, servers+"."+name)
	return after, onlyThisTOML(doc, after, []string{servers, name}, nil)
}

// onlyThisTOML is onlyThis: headers are found line by line, which tables that are
// written inside others, or a text that looks like a header, can mislead.
func onlyThisTOML(before, after []byte, path []string, value any) error {
	a, b := map[string]any{}, map[string]any{}
	if err := toml.Unmarshal(before, &a); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if err := toml.Unmarshal(after, &b); err != nil {
		return ErrByHand
	}
	if servers, ok := a[path[0]].(map[string]any); ok && value == nil && b[path[0]] == nil {
		if delete(servers, path[1]); len(servers) == 0 { // the table of all servers is there as long as one is
			delete(a, path[0])
		}
	}
	return checkEdit(a, b, path, value)
}

// quote writes a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// removeTOML takes out the lines of a table and of the tables below it, up to
// the next header.
func removeTOML(doc []byte, table string) []byte {
	var keep []string
	inside := false
	for line := range strings.Lines(string(doc)) {
		if h, ok := header(line); ok {
			inside = h == table || strings.HasPrefix(h, table+".")
		}
		if !inside {
			keep = append(keep, line)
		}
	}
	// The blank line after a table goes with it; at the end of the file it is the
	// one before it.
	if n := len(keep); inside && n > 0 && strings.TrimSpace(keep[n-1]) == "" {
		keep = keep[:n-1]
	}
	return []byte(strings.Join(keep, ""))
}

func header(line string) (string, bool) {
	line = strings.TrimSpace(line)
	if i := strings.Index(line, "#"); i >= 0 && !strings.Contains(line[:i], `"`) {
		line = strings.TrimSpace(line[:i])
	}
	if !strings.HasPrefix(line, "[") || !strings.HasSuffix(line, "]") || strings.Contains(line, "=") {
		return "", false
	}
	return strings.NewReplacer(`"`, "", `'`, "", " ", "").Replace(strings.Trim(line, "[]")), true
}

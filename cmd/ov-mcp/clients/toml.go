package clients

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// installTOML puts a table at the end, after taking an earlier one out. TOML
// tables can stand in any order, so nothing else has to move.
func installTOML(doc []byte, table string, s Server) ([]byte, error) {
	var any map[string]any
	if err := toml.Unmarshal(doc, &any); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	text := string(removeTOML(doc, table))
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if text != "" && !strings.HasSuffix(text, "\n\n") {
		text += "\n"
	}
	quoted := make([]string, len(s.Args))
	for i, a := range s.Args {
		quoted[i] = quote(a)
	}
	text += fmt.Sprintf("[%s]\ncommand = %s\nargs = [%s]\n", table, quote(s.Command), strings.Join(quoted, ", "))
	return []byte(text), nil
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

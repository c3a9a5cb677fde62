package plan

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// maxSame is how many rows that need nothing are shown.
const maxSame = 5

// Print writes the plan as a table; show cleans text that comes from elsewhere.
func (p *Plan) Print(w io.Writer, show func(string) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ACTION\tSECRET\tFROM\tFINGERPRINT\tNOTE")
	same := 0
	for _, r := range p.Rows {
		if r.Action == Same {
			if same++; same > maxSame {
				continue
			}
		}
		from := r.Entry
		if r.Key != "" {
			from += " ." + r.Key
		}
		print := r.Fingerprint
		if r.Unread {
			print = "(not read)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", r.Action, show(r.Ref.Name), show(short(from)), print, show(r.Note))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if same > maxSame {
		fmt.Fprintf(w, "... and %d more that are the same\n", same-maxSame)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", p.Summary())
	return err
}

// short keeps the telling end of a long reference.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return "..." + string(r[len(r)-57:])
	}
	return s
}

// Summary says in one line how many rows there are of each action.
func (p *Plan) Summary() string {
	var parts []string
	for _, a := range order() {
		if n := p.Count(a); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, a))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to import"}
	}
	return strings.Join(parts, ", ") + ": into " + p.Mapping.App + "/" + p.Mapping.Env
}

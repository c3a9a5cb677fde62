package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/opaquevault/ov/core/proc"
)

// featureJSON is a row of `ov status --kernel --json`: these names stay.
type featureJSON struct {
	Name    string `json:"name"`
	For     string `json:"for"`
	Have    bool   `json:"have"`
	Without string `json:"without,omitempty"`
}

// kernel lists what runs rely on and what this machine lacks of it.
func (c *cli) kernel() error {
	var rows []featureJSON
	for _, f := range proc.Kernel() {
		row := featureJSON{Name: f.Name, For: f.For, Have: f.Have}
		if !f.Have {
			row.Without = f.Without
		}
		rows = append(rows, row)
	}
	if c.json {
		return c.printJSON(rows)
	}
	w := tabwriter.NewWriter(c.out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\n", map[bool]string{true: "yes", false: "NO"}[r.Have], r.Name, r.For)
		if !r.Have {
			fmt.Fprintf(w, "\t\twithout it: %s\n", r.Without)
		}
	}
	return w.Flush()
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/opaquevault/ov/cmd/ov-mcp/clients"
)

// listed is a row of `ov mcp list --json`: these names stay.
type listed struct {
	Client    string `json:"client"`
	Title     string `json:"title"`
	File      string `json:"file"`
	Present   bool   `json:"present"`   // the client has a configuration file
	Installed bool   `json:"installed"` // and ov is in it
	Command   string `json:"command,omitempty"`
	Error     string `json:"error,omitempty"` // why the file cannot be read
}

// list is `ov mcp list`: which clients are here, and which of them know ov.
func list(out io.Writer, args []string) error {
	flags := newFlags("list")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return fmt.Errorf("%w: ov mcp list [--json]", errUsage)
	}
	places, err := clients.Here()
	if err != nil {
		return err
	}
	rows := []listed{}
	for _, c := range clients.All() {
		rows = append(rows, look(c, places))
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(rows)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CLIENT\tOV\tFILE")
	for _, r := range rows {
		state := "no file"
		switch {
		case r.Error != "":
			state = r.Error
		case r.Installed:
			state = "installed"
		case r.Present:
			state = "not installed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", r.Client, state, r.File)
	}
	return w.Flush()
}

// look reads one client's configuration.
func look(c clients.Client, places clients.Places) listed {
	r := listed{Client: c.Name, Title: c.Title, File: c.File(places)}
	doc, err := clients.Read(r.File)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	if r.Present = doc != nil; !r.Present {
		return r
	}
	entries, err := c.Servers(doc)
	if err != nil {
		r.Error = err.Error()
		return r
	}
	for _, e := range entries {
		serves := len(e.Args) >= 2 && e.Args[0] == "mcp" && e.Args[1] == "serve"
		if e.Name == entry || serves && filepath.Base(e.Command) == "ov" {
			r.Installed, r.Command = true, e.Command
		}
	}
	return r
}

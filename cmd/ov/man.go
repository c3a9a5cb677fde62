package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// manCmd writes the manual pages, for releases: one a command, from the text
// that --help shows.
func (c *cli) manCmd() *cobra.Command {
	return &cobra.Command{Use: "man FOLDER", Hidden: true, Args: nArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
		if err := os.MkdirAll(args[0], 0o755); err != nil {
			return err
		}
		root := cmd.Root()
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		return writePages(root, args[0], released())
	}}
}

// released is the day that pages bear: SOURCE_DATE_EPOCH, so that the same
// commit gives the same page, else today.
func released() time.Time {
	if s, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(s, 0).UTC()
	}
	return time.Now()
}

// writePages writes the page of cmd and of everything below it.
func writePages(cmd *cobra.Command, dir string, day time.Time) error {
	if cmd.Hidden || !cmd.IsAvailableCommand() && cmd.HasParent() {
		return nil // also a help topic: it is a section of ov(1)
	}
	var b strings.Builder
	page(&b, cmd, day)
	if err := os.WriteFile(filepath.Join(dir, pageName(cmd)+".1"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := writePages(sub, dir, day); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page writes one page in man(7).
func page(w io.Writer, cmd *cobra.Command, day time.Time) {
	name := pageName(cmd)
	fmt.Fprintf(w, ".TH %s 1 %s ov \"ov manual\"\n.SH NAME\n%s \\- %s\n", roff(strings.ToUpper(name)), day.Format("2006-01-02"), roff(name), roff(cmd.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", roff(cmd.CommandPath()))
	if rest := strings.TrimSpace(strings.TrimPrefix(cmd.UseLine(), cmd.CommandPath())); rest != "" {
		fmt.Fprintln(w, roff(rest))
	}
	fmt.Fprintln(w, ".SH DESCRIPTION")
	prose(w, cmp.Or(cmd.Long, cmd.Short))
	var subs []*cobra.Command
	for _, sub := range cmd.Commands() {
		switch {
		case sub.IsAvailableCommand() && !sub.Hidden:
			subs = append(subs, sub)
		case sub.IsAdditionalHelpTopicCommand():
			defer func() {
				fmt.Fprintf(w, ".SH %s\n", roff(strings.ToUpper(sub.Short)))
				prose(w, sub.Long)
			}()
		}
	}
	if len(subs) > 0 {
		fmt.Fprintln(w, ".SH COMMANDS")
	}
	for _, sub := range subs {
		fmt.Fprintf(w, ".TP\n.BR %s (1)\n%s\n", roff(pageName(sub)), roff(sub.Short))
	}
	options(w, "OPTIONS", cmd.NonInheritedFlags())
	options(w, "OPTIONS OF EVERY COMMAND", cmd.InheritedFlags())
	if cmd.HasParent() {
		fmt.Fprintf(w, ".SH SEE ALSO\n.BR %s (1)\n", roff(pageName(cmd.Parent())))
	}
}

// options writes a section of flags.
func options(w io.Writer, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(w, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		short := ""
		if f.Shorthand != "" {
			short = `\fB\-` + f.Shorthand + `\fR, `
		}
		if value != "" {
			value = ` \fI` + roff(value) + `\fR`
		}
		fmt.Fprintf(w, ".TP\n%s\\fB%s\\fR%s\n%s\n", short, roff("--"+f.Name), value, roff(text))
	})
}

// prose writes paragraphs; what is indented stays as it stands.
func prose(w io.Writer, text string) {
	literal := false
	for line := range strings.SplitSeq(strings.ReplaceAll(strings.TrimSpace(text), "\t", "  "), "\n") {
		if line == "" {
			fmt.Fprintln(w, ".PP")
			continue
		}
		if as := strings.HasPrefix(line, "  "); as != literal {
			fmt.Fprintln(w, map[bool]string{true: ".RS\n.nf", false: ".fi\n.RE"}[as])
			literal = as
		}
		fmt.Fprintln(w, roff(strings.TrimPrefix(line, "  ")))
	}
	if literal {
		fmt.Fprintln(w, ".fi\n.RE")
	}
}

// roff escapes what means something to troff.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/opaquevault/ov/core/secret"
)

// What was meant by a word that ov does not know.

// elsewhere is what other programs call a command of ours.
func elsewhere(name string) string {
	return map[string]string{
		"exec": "run", "start": "run", "with": "run", "ls": "list", "rm": "delete", "remove": "delete", "del": "delete", "add": "set", "put": "set",
		"new": "create", "edit": "update", "mv": "rename", "login": "unlock", "signin": "unlock", "logout": "lock", "log": "audit", "logs": "audit",
		"config": "init", "setup": "init", "check": "doctor", "filter": "redact", "mask": "redact", "use": "env", "sh": "shell",
	}[name]
}

// unknown says that cmd has no verb of this name, and which come close.
func unknown(cmd *cobra.Command, name string) error {
	err := usage(cmd, fmt.Errorf("unknown command %q", name))
	if slices.Contains([]string{"get", "show", "read", "view", "cat", "print", "export", "copy"}, name) {
		return hinted{err, `ov shows no values: "ov run" gives them to a command; "ov secret reveal" is for a person at a terminal`}
	}
	if (cmd.Name() == "app" || cmd.Name() == "env") && cmd.HasParent() {
		return hinted{err, fmt.Sprintf("%q goes there", cmd.CommandPath()+" use "+name)}
	}
	if close := meant(cmd, name); len(close) > 0 {
		return hinted{err, "did you mean " + strings.Join(close, ", ") + "?"}
	}
	return err
}

// meant returns the commands that name may stand for: what others call by that
// name, a verb that wants its noun, else what is spelled alike.
func meant(cmd *cobra.Command, name string) []string {
	for _, n := range []string{elsewhere(name), name} {
		for _, parent := range append([]*cobra.Command{cmd}, cmd.Commands()...) {
			if sub, _, err := parent.Find([]string{n}); n != "" && err == nil && sub != parent && (parent == cmd || parent.Name() == "secret") {
				return []string{fmt.Sprintf("%q", sub.CommandPath())}
			}
		}
	}
	var all []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			all = append(all, sub.Name())
		}
	}
	return nearest(name, all)
}

// badFlag says which flag of cmd an unknown one may have been meant for.
func badFlag(cmd *cobra.Command, err error) error {
	var missing *pflag.NotExistError
	known := errors.As(err, &missing) && len(missing.GetSpecifiedName()) > 1
	if err = usage(cmd, err); !known {
		return err
	}
	var all []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			all = append(all, f.Name)
		}
	})
	if close := nearest(missing.GetSpecifiedName(), all); len(close) > 0 {
		return hinted{err, fmt.Sprintf(`did you mean --%s? "%s --help" lists them`, strings.Join(close, ", --"), cmd.CommandPath())}
	}
	return err
}

// nearest returns which of all come close to name, by cobra's measure.
func nearest(name string, all []string) []string {
	c := &cobra.Command{SuggestionsMinimumDistance: 2}
	for _, n := range all {
		c.AddCommand(&cobra.Command{Use: n, Run: func(*cobra.Command, []string) {}})
	}
	return c.SuggestionsFor(name)
}

// helpCmd is cobra's, but that it knows what it does not know.
func helpCmd(root *cobra.Command) *cobra.Command {
	return &cobra.Command{Use: "help [COMMAND]", Short: "Help about any command", ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		at, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, sub := range at.Commands() {
			if strings.HasPrefix(sub.Name(), typed) && !sub.Hidden {
				names = append(names, sub.Name()+"\t"+sub.Short)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}, RunE: func(_ *cobra.Command, args []string) error {
		at, rest, err := root.Find(args)
		if err != nil || len(rest) > 0 {
			return unknown(at, rest[0])
		}
		at.InitDefaultHelpFlag()
		return at.Help()
	}}
}

// plainCompletions makes what cobra's completion shows fit ov: a shell that it
// does not know is an error, and descriptions come without the marks of flags.
func plainCompletions(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if cmd, _, err := root.Find([]string{"completion"}); err == nil && cmd != root {
		shells := cmd.Commands()
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknown(cmd, args[0])
			}
			return usage(cmd, fmt.Errorf("which shell? %s", strings.Join(names(shells), ", ")))
		}
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
}

// unquoted takes the marks off that --help reads in the texts of flags.
func unquoted(cmd *cobra.Command) {
	plain := func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") }
	cmd.Flags().VisitAll(plain)
	cmd.PersistentFlags().VisitAll(plain)
	for _, sub := range cmd.Commands() {
		unquoted(sub)
	}
}

// wellFormed returns the name that a badly formed one may be meant to be, or "".
func wellFormed(name string) string {
	good := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '_':
			return r
		case r == '-', r == '.', r == ' ', r == ':':
			return '_'
		}
		return -1
	}, name)
	if good != "" && good[0] >= '0' && good[0] <= '9' {
		good = "_" + good
	}
	if good == name || secret.CheckName(good) != nil {
		return ""
	}
	return good
}

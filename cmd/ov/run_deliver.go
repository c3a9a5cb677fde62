package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// deliveryFlags say how a secret reaches the command, when not by a variable.
func (f *runFlags) deliveryFlags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringSliceVar(&f.deliver, "deliver", nil, "`VAR=HOW`: file (its path is in VAR_FILE), fd (likewise), stdin, or env")
	fl.StringArrayVar(&f.templates, "template", nil, "`[VAR=]FILE` with {{NAME}} in it; the path of the filled-in file is in VAR")
}

// deliveries is how each variable is delivered that is no plain variable: .ov.yaml's word, then the flag's.
func (f *runFlags) deliveries(cfg *config.Config) (map[string]string, error) {
	all := map[string]string{}
	if f.secrets == "" && cfg.Project != nil && cfg.Project.Trusted {
		for _, e := range cfg.Project.Secrets {
			if as := variableOf(e, cfg); e.Deliver != "" {
				all[as] = e.Deliver
			}
		}
	}
	for _, d := range f.deliver {
		as, how, ok := strings.Cut(d, "=")
		if !ok || !slices.Contains(config.Deliveries(), how) {
			return nil, misuse{fmt.Errorf("--deliver %q: want VAR=%s", d, strings.Join(config.Deliveries(), "|"))}
		}
		if err := secret.CheckName(as); err != nil {
			return nil, misuse{fmt.Errorf("--deliver: %w", err)}
		}
		all[as] = how
	}
	return all, nil
}

// variableOf is the variable that an entry of .ov.yaml goes into.
func variableOf(e config.Entry, cfg *config.Config) string {
	if e.As != "" {
		return e.As
	}
	if ref, err := secret.ParseRef(e.Name, cfg.Context()); err == nil {
		return ref.Name
	}
	return e.Name
}

// templateFiles are the templates with the variables for their paths.
func (f *runFlags) templateFiles() ([]broker.Template, error) {
	var all []broker.Template
	for _, t := range f.templates {
		as, file, named := strings.Cut(t, "=")
		if !named {
			as, file = templateVariable(t), t
		}
		if err := secret.CheckName(as); err != nil {
			return nil, misuse{fmt.Errorf("--template %q: %w", t, err)}
		}
		if slices.ContainsFunc(all, func(o broker.Template) bool { return o.As == as || filepath.Base(o.File) == filepath.Base(file) }) {
			return nil, misuse{fmt.Errorf("--template %q: two of that name", t)}
		}
		all = append(all, broker.Template{As: as, File: file})
	}
	return all, nil
}

// templateVariable makes a name from a file's: app.conf.tmpl becomes APP_CONF_FILE.
func templateVariable(file string) string {
	name := filepath.Base(file)
	for _, ext := range []string{".tmpl", ".tpl", ".template"} {
		name = strings.TrimSuffix(name, ext)
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(name)) + "_FILE"
}

package tools

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/core/broker"
	"github.com/opaquevault/ov/core/config"
	"github.com/opaquevault/ov/core/secret"
)

// read takes the arguments, under their own names or one of the aliases that
// models like to use.
func (c *call) read(arguments any, known map[string]bool) error {
	b, err := json.Marshal(arguments)
	if err != nil {
		return badInput("arguments are not a JSON object")
	}
	if arguments == nil {
		b = []byte("{}")
	}
	if err := json.Unmarshal(b, &c.raw); err != nil {
		return badInput("arguments are not a JSON object")
	}
	for alias, name := range map[string]string{"secrets": "secret_names", "work_dir": "cwd"} {
		c.rename(alias, name, known)
	}
	if v, ok := c.raw["env"]; ok && len(v) > 0 && v[0] == '"' {
		c.rename("env", "environment", map[string]bool{"environment": known["environment"]})
	}
	if v, ok := c.raw["timeout_seconds"]; ok && known["timeout_ms"] {
		var s float64
		if json.Unmarshal(v, &s) != nil || s <= 0 || s > 3600 {
			return badInput("timeout_seconds: want a number from 1 to 3600")
		}
		delete(c.raw, "timeout_seconds")
		c.raw["timeout_ms"] = fmt.Appendf(nil, "%d", int64(s*1000))
	}
	for name := range c.raw {
		if !known[name] {
			return badInput("unknown argument %q", name)
		}
	}
	return nil
}

func (c *call) rename(alias, name string, known map[string]bool) {
	v, ok := c.raw[alias]
	if _, both := c.raw[name]; ok && !both && known[name] && !known[alias] {
		delete(c.raw, alias)
		c.raw[name] = v
	}
}

// into decodes the arguments; each field's type is checked, and the error says
// which argument is wrong and never what it held.
func (c *call) into(v any) error {
	b, err := json.Marshal(c.raw)
	if err != nil {
		return badInput("arguments are not a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if e := (*json.UnmarshalTypeError)(nil); asType(err, &e) {
			return badInput("argument %q: want %s", e.Field, e.Type)
		}
		return badInput("arguments are not of the tool's form")
	}
	return nil
}

// place is where a call happens: the arguments that all tools share.
type place struct {
	App         string `json:"app"`
	Environment string `json:"environment"`
	Cwd         string `json:"cwd"`
	Reason      string `json:"reason"`
}

// resolve finds app and environment as the command line does. list says that
// the project's secrets list is going to be used.
func (t *Tools) resolve(p place, ref secret.Ref, list bool) (*config.Config, error) {
	if len(p.Reason) > 500 {
		return nil, badInput("reason: at most 500 bytes")
	}
	dir := t.c.Dir
	if p.Cwd != "" {
		if dir = p.Cwd; !filepath.IsAbs(dir) {
			return nil, badInput("cwd: want an absolute path")
		}
	}
	return config.Load(config.Options{Dir: filepath.Clean(dir), UserHome: t.c.UserHome, Getenv: t.c.Getenv, Home: t.c.Home,
		App: p.App, Env: p.Environment, RefApp: ref.App, RefEnv: ref.Env, List: list})
}

func (t *Tools) dir(p place) string {
	if p.Cwd != "" {
		return filepath.Clean(p.Cwd)
	}
	return t.c.Dir
}

// wants turns the names of a call into secrets and variables. nil names mean
// the project's list, else everything.
func wants(names *[]string, cfg *config.Config) ([]broker.Want, error) {
	var all []broker.Want
	if names == nil {
		if cfg.Project == nil || !cfg.Project.Trusted {
			return nil, nil
		}
		for _, e := range cfg.Project.Secrets {
			ref, err := secret.ParseRef(e.Name, cfg.Context())
			if err != nil {
				return nil, err
			}
			all = append(all, broker.Want{Ref: ref, As: or(e.As, ref.Name)})
		}
		return all, nil
	}
	all = []broker.Want{}
	for _, n := range *names {
		as, name, renamed := strings.Cut(n, "=")
		if !renamed {
			as, name = "", n
		}
		ref, err := secret.ParseRef(name, cfg.Context())
		if err == nil && renamed {
			err = secret.CheckName(as)
		}
		if err != nil {
			return nil, badInput("secret_names: %v", err)
		}
		all = append(all, broker.Want{Ref: ref, As: or(as, ref.Name)})
	}
	return all, nil
}

func or(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

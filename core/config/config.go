// Package config finds out, once, where ov keeps its things and which app and
// environment a command means: flags, OV_APP and OV_ENV, the nearest .ov.yaml
// upward, the user's own config, the default - in this order. Its answer is one
// struct that everything else takes as given.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/opaquevault/ov/core/secret"
)

// The app and the environment when nothing names others.
const (
	DefaultApp = "default"
	DefaultEnv = "development"
)

// A Rung is one step of the ladder that a setting can come from.
type Rung string

// The rungs, the strongest first.
const (
	FromRef     Rung = "reference"
	FromFlag    Rung = "flag"
	FromEnv     Rung = "environment variable"
	FromProject Rung = "project file"
	FromUser    Rung = "user config"
	FromDefault Rung = "default"
)

// A Setting is a value, the rung that won, and the file or variable it stood in.
type Setting struct {
	Value string `json:"value"`
	Rung  Rung   `json:"from"`
	Where string `json:"where,omitempty"`
}

// Options are what Load is told instead of looking it up itself.
type Options struct {
	Dir      string              // the working directory
	UserHome string              // $HOME: the search for .ov.yaml goes no higher
	Getenv   func(string) string // the process environment
	Home     string              // --home
	App, Env string              // --app, --env
	RefApp   string              // the parts that a reference on the command line spells out
	RefEnv   string
	List     bool // the project's secrets list is going to be used
}

// A Config is everything that was decided.
type Config struct {
	Home     string // the folder that holds everything of ov's
	App, Env Setting
	Project  *Project // nil without a .ov.yaml
	User     User
}

// Context returns app and environment as the context of a reference.
func (c *Config) Context() secret.Ref {
	return secret.Ref{App: c.App.Value, Env: c.Env.Value}
}

// Load decides. When a project file would decide something and is not trusted,
// the error is ErrUntrusted and the Config is complete but for that file.
func Load(o Options) (*Config, error) {
	home, err := Home(o)
	if err != nil {
		return nil, err
	}
	c := &Config{Home: home}
	if c.User, err = readUser(home); err != nil {
		return nil, err
	}
	if c.Project, err = findProject(o.Dir, o.UserHome); err != nil {
		return nil, err
	}
	var app, env Setting
	if p := c.Project; p != nil {
		p.Trusted = isTrusted(home, p)
		if p.Trusted {
			app, env = Setting{p.App, FromProject, p.Path}, Setting{p.Env, FromProject, p.Path}
		}
	}
	userFile := UserFile(home)
	c.App = first(Setting{o.RefApp, FromRef, ""}, Setting{o.App, FromFlag, "--app"}, Setting{o.Getenv("OV_APP"), FromEnv, "OV_APP"},
		app, Setting{c.User.App, FromUser, userFile}, Setting{DefaultApp, FromDefault, ""})
	c.Env = first(Setting{o.RefEnv, FromRef, ""}, Setting{o.Env, FromFlag, "--env"}, Setting{o.Getenv("OV_ENV"), FromEnv, "OV_ENV"},
		env, Setting{c.User.Env, FromUser, userFile}, Setting{DefaultEnv, FromDefault, ""})
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Project != nil && !c.Project.Trusted && (o.List || weak(c.App) || weak(c.Env)) {
		return c, fmt.Errorf("use %q: %w", c.Project.Path, ErrUntrusted)
	}
	return c, nil
}

// ErrNoHome says that nothing tells where the vault is, or shall be.
var ErrNoHome = errors.New("HOME is not set and neither is OV_HOME")

// Home returns the folder that holds everything: --home, OV_HOME or ~/.ov.
func Home(o Options) (string, error) {
	home := o.Home
	if home == "" {
		home = o.Getenv("OV_HOME")
	}
	if home == "" {
		if o.UserHome == "" {
			return "", fmt.Errorf("find home folder: %w", ErrNoHome)
		}
		home = filepath.Join(o.UserHome, ".ov")
	}
	if !filepath.IsAbs(home) {
		home = filepath.Join(o.Dir, home)
	}
	return filepath.Clean(home), nil
}

// Lookup fills Options from the running process.
func Lookup() (Options, error) {
	dir, err := os.Getwd()
	if err != nil {
		return Options{}, fmt.Errorf("find working directory: %w", err)
	}
	return Options{Dir: dir, UserHome: os.Getenv("HOME"), Getenv: os.Getenv}, nil
}

// first returns the strongest setting that says anything.
func first(ladder ...Setting) Setting {
	for _, s := range ladder {
		if s.Value != "" {
			return s
		}
	}
	return Setting{}
}

// weak reports whether a project file could have overruled s.
func weak(s Setting) bool { return s.Rung == FromUser || s.Rung == FromDefault }

func (c *Config) check() error {
	for kind, s := range map[string]Setting{"app": c.App, "environment": c.Env} {
		if err := secret.CheckSlug(kind, s.Value); err != nil {
			return fmt.Errorf("%s %s: %w", s.Rung, s.Where, err)
		}
	}
	return nil
}

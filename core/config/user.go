package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/opaquevault/ov/core/secret"
)

// A User is config.toml in the home folder: what this person prefers. It holds
// nothing that weakens protection.
type User struct {
	App string `toml:"app"`
	Env string `toml:"environment"`

	Rotation Rotation `toml:"rotation"`
}

// UserFile returns the path of the user config.
func UserFile(home string) string { return filepath.Join(home, "config.toml") }

func readUser(home string) (User, error) {
	var u User
	path := UserFile(home)
	b, err := readRegular(path, maxProject, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return u, nil
	} else if err != nil {
		return u, fmt.Errorf("read %q: %w", path, err)
	}
	meta, err := toml.Decode(string(b), &u)
	var bad toml.ParseError
	if errors.As(err, &bad) {
		return u, fmt.Errorf("read %q: line %d, column %d: %s", path, bad.Position.Line, bad.Position.Col, bad.Message)
	} else if err != nil {
		return u, fmt.Errorf("read %q: %w", path, err)
	}
	if keys := meta.Undecoded(); len(keys) > 0 {
		return u, fmt.Errorf("read %q: unknown key %q: want app, environment, rotation", path, keys[0])
	}
	if err := u.Rotation.check(); err != nil {
		return u, fmt.Errorf("read %q: %w", path, err)
	}
	return u, nil
}

// Use writes app or environment (key) into the user config and leaves the
// other lines, comments included, as they are.
func Use(home, key, value string) error {
	if err := secret.CheckSlug(key, value); err != nil {
		return err
	}
	path := UserFile(home)
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	old, err := readRegular(path, maxProject, nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read %q: %w", path, err)
	}
	if err := writeFile(path, []byte(setKey(string(old), key, value))); err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return nil
}

// setKey replaces the top-level line `key = ...` or puts one first.
func setKey(content, key, value string) string {
	line := fmt.Sprintf("%s = %q\n", key, value)
	lines := strings.SplitAfter(content, "\n")
	for i, l := range lines {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			break
		}
		if k, _, ok := strings.Cut(l, "="); ok && strings.TrimSpace(k) == key {
			lines[i] = line
			return strings.Join(lines, "")
		}
	}
	return line + content
}

package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrUntrusted says that a project file decides something and that nobody has
// looked at it: a cloned repository could name production.
var ErrUntrusted = errors.New("project file is not trusted")

// Trust records that p, with the content it has now, may decide. The record is
// a file named after path and content together, so that a moved or edited
// project file has to be trusted again.
func Trust(home string, p *Project) error {
	dir := filepath.Join(home, "trust")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("trust %q: %w", p.Path, err)
	}
	if err := writeFile(trustFile(home, p), []byte(p.Path+"\n")); err != nil {
		return fmt.Errorf("trust %q: %w", p.Path, err)
	}
	p.Trusted = true
	return nil
}

func isTrusted(home string, p *Project) bool {
	_, err := os.Lstat(trustFile(home, p))
	return err == nil
}

func trustFile(home string, p *Project) string {
	h := sha256.New()
	fmt.Fprintf(h, "ov/v1/trust\x00%s\x00", p.Path)
	h.Write(p.content)
	return filepath.Join(home, "trust", hex.EncodeToString(h.Sum(nil)))
}

// Content returns the bytes that were read, to be shown to whoever is asked.
func (p *Project) Content() string { return string(p.content) }

// Write makes a new project file in dir and trusts it. It fails when one is there.
func Write(home, dir string, app, env string, names []string) (*Project, error) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	path := filepath.Join(dir, ProjectFile)
	content := fmt.Appendf(nil, "# Which secrets this folder uses; \"ov run\" reads it. It holds no secret.\napp: %s\nenvironment: %s\n", app, env)
	if len(names) > 0 {
		content = append(content, "secrets:\n"...)
		for _, n := range names {
			content = fmt.Appendf(content, "  - %s\n", n)
		}
	}
	p, err := parseProject(path, content)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write %q: %w", path, errors.Unwrap(err))
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("write %q: %w", path, errors.Join(err, os.Remove(path)))
	}
	if err := Trust(home, p); err != nil { // a file that is not trusted would stop the next command
		return nil, errors.Join(err, os.Remove(path))
	}
	return p, nil
}

// writeFile replaces a file as a whole or not at all.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

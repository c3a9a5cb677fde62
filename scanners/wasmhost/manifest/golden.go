package manifest

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/opaquevault/ov/scanners/wasmhost/module"
)

// A Case is a text and what is left of it after masking.
type Case struct {
	Name   string          `json:"name" toml:"name"`
	Input  string          `json:"input" toml:"input"`
	Output string          `json:"output" toml:"output"` // with markers [REDACTED:rule]
	Config json.RawMessage `json:"config,omitempty" toml:"-"`
}

// Golden returns the test cases that a module carries.
func Golden(m *module.Module) ([]Case, error) {
	b, err := single(m, GoldenSection, MaxGolden)
	if b == nil || err != nil {
		return nil, err
	}
	var cases []Case
	if err := decode(b, &cases); err != nil {
		return nil, fmt.Errorf("read test cases: %w", err)
	}
	return cases, nil
}

// Lint returns what is allowed but costs something.
func (m *Manifest) Lint() []string {
	var notes []string
	for _, r := range m.Rules {
		if r.Before > 0 {
			notes = append(notes, fmt.Sprintf("rule %q: before = %d holds back that many bytes of all output, for ever", r.ID, r.Before))
		}
	}
	if m.Mode == Stream {
		notes = append(notes, "stream mode: the guest runs on every byte of output, and a failure blocks it")
	}
	return notes
}

// Pack puts the manifest and the test cases of a TOML file into a module, in
// place of any that are there. It leaves out what debuggers need.
func Pack(wasm, source []byte) ([]byte, error) {
	m, err := module.Parse(wasm)
	if err != nil {
		return nil, err
	}
	var file struct {
		Manifest
		Golden []Case `toml:"golden"`
	}
	md, err := toml.Decode(string(source), &file)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	if u := md.Undecoded(); len(u) > 0 {
		return nil, fmt.Errorf("read manifest: unknown key %q", u[0])
	}
	if file.ABI == 0 {
		file.ABI = ABI
	}
	if err := file.Manifest.Complete(); err != nil {
		return nil, fmt.Errorf("manifest of %q: %w", file.Name, err)
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range m.Sections {
		if s.ID == module.Custom && (s.Name == Section || s.Name == GoldenSection || strings.HasPrefix(s.Name, ".debug_")) {
			continue
		}
		out = appendSection(out, s)
	}
	for _, s := range []struct {
		name string
		v    any
		most int
	}{{Section, file.Manifest, MaxSize}, {GoldenSection, file.Golden, MaxGolden}} {
		b, err := json.Marshal(s.v)
		if err != nil {
			return nil, err
		}
		if len(b) > s.most {
			return nil, fmt.Errorf("%s section of %d bytes is larger than %d", s.name, len(b), s.most)
		}
		out = appendSection(out, module.Section{ID: module.Custom, Name: s.name, Body: b})
	}
	return out, nil
}

// PackFile is Pack with the manifest in a file.
func PackFile(wasm []byte, path string) ([]byte, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Pack(wasm, source)
}

func appendSection(b []byte, s module.Section) []byte {
	body := s.Body
	if s.ID == module.Custom {
		body = append(module.AppendName(nil, s.Name), body...)
	}
	b = append(b, s.ID)
	return append(module.AppendU32(b, uint32(len(body))), body...)
}

// Package command makes a provider of any program that prints secrets. A file
// says how it is called: arguments one by one, and never through a shell.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"iter"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/opaquevault/ov/sdk/provider"
)

// timeout bounds one call of the program.
const timeout = time.Minute

// place is what the reference stands for in the arguments of Get.
const place = "{ref}"

// A file says how a program is called.
type file struct {
	Name  string   `toml:"name"`
	List  []string `toml:"list"`  // prints references
	Get   []string `toml:"get"`   // prints the value of {ref}
	Check []string `toml:"check"` // succeeds when it is signed in
	// JSON names the fields of what List prints; without it a line is a reference.
	JSON *struct {
		Ref   string `toml:"ref"`
		Name  string `toml:"name"`
		Path  string `toml:"path"`
		Token string `toml:"token"`
	} `toml:"json"`
	// Field is taken from the JSON object that Get prints; empty: all of it is the value.
	Field string `toml:"field"`
	Raw   bool   `toml:"raw"` // the newline at the end belongs to the value
}

// Provider calls one program.
type Provider struct {
	file file
	dir  string
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "exec", Version: "1", Description: "any program that prints secrets, as a TOML file says",
		Settings: []provider.Setting{{Name: "file", Description: "path of the TOML file", Required: true}},
		Environment: []string{"BWS_ACCESS_TOKEN", "BW_SESSION", "BITWARDENCLI_APPDATA_DIR", "KSM_CONFIG", "KSM_CONFIG_FILE", "LPASS_HOME",
			"PASSWORD_STORE_DIR", "GNUPGHOME", "GPG_TTY", "GOPASS_HOMEDIR", "SOPS_AGE_KEY_FILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"},
		Doors: []string{"the program's own"}}
}

// Configure reads the file and lets the program check that it is signed in.
func (p *Provider) Configure(ctx context.Context, c provider.Config) (provider.Account, error) {
	at := c.Settings["file"]
	p.file = file{}
	meta, err := toml.DecodeFile(at, &p.file)
	if pe := (toml.ParseError{}); errors.As(err, &pe) {
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: line %d: %s", at, pe.Position.Line, pe.Message)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return provider.Account{}, provider.Errorf(provider.NotFound, "%s: no such file", at)
	}
	if err != nil {
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: list, get and check are arrays of arguments, the rest is text", at)
	}
	if u := meta.Undecoded(); len(u) > 0 {
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: unknown key %q", at, u[0])
	}
	f := &p.file
	switch {
	case len(f.List) == 0 || len(f.Get) == 0:
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: list and get are needed, each an array of arguments", at)
	case !slices.ContainsFunc(f.Get, func(a string) bool { return strings.Contains(a, place) }):
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: get names no %s", at, place)
	case strings.Contains(f.Get[0], place):
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: %s cannot be the program", at, place)
	case f.JSON != nil && f.JSON.Ref == "":
		return provider.Account{}, provider.Errorf(provider.Invalid, "%s: json needs ref", at)
	}
	p.dir = filepath.Dir(at)
	if len(f.Check) > 0 {
		if _, err := p.call(ctx, f.Check); err != nil {
			return provider.Account{}, provider.Errorf(provider.Unauthenticated, "check: %v", err)
		}
	}
	name := f.Name
	if name == "" {
		name = filepath.Base(f.Get[0])
	}
	return provider.Account{Name: name + " by " + at, Door: "program", Notes: []string{"one call of the program a value, 8 at once"}}, nil
}

// call runs the program and returns what it prints. What it writes to standard
// error is not shown: it may hold a value.
func (p *Provider) call(ctx context.Context, argv []string) ([]byte, error) {
	limited, stop := context.WithTimeout(ctx, timeout)
	defer stop()
	cmd := exec.CommandContext(limited, argv[0], argv[1:]...)
	cmd.Dir = p.dir
	cmd.WaitDelay = time.Second
	out := &bounded{}
	cmd.Stdout = out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, provider.Errorf(provider.Unknown, "cancelled")
	case limited.Err() != nil:
		return nil, provider.Errorf(provider.Unavailable, "%s: no answer in %v", argv[0], timeout)
	case errors.Is(err, exec.ErrNotFound):
		return nil, provider.Errorf(provider.Invalid, "%s: no such program on PATH", argv[0])
	case errors.As(err, &exit):
		return nil, provider.Errorf(provider.NotFound, "%s exits %d; run it yourself to see why", argv[0], exit.ExitCode())
	case err != nil:
		return nil, provider.Errorf(provider.Invalid, "%s: cannot be run", argv[0])
	case out.over:
		return nil, provider.Errorf(provider.TooLarge, "%s prints more than %d MiB", argv[0], maxOutput>>20)
	}
	return out.b.Bytes(), nil
}

// maxOutput bounds what one call may print.
const maxOutput = 16 << 20

type bounded struct {
	b    bytes.Buffer
	over bool
}

func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > maxOutput {
		w.over = true
		return len(p), nil
	}
	return w.b.Write(p)
}

// List yields what the program lists.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		text, err := p.call(ctx, p.file.List)
		var entries []provider.Entry
		if err == nil {
			entries, err = p.entries(text)
		}
		if err != nil {
			yield(provider.Entry{}, err)
			return
		}
		if len(q.Tags) > 0 {
			yield(provider.Entry{}, provider.Errorf(provider.Invalid, "a program has no tags"))
			return
		}
		below := strings.Trim(q.Path, "/")
		for _, e := range entries {
			if in := below == "" || e.Path == below || strings.HasPrefix(e.Path, below+"/"); in && !yield(e, nil) {
				return
			}
		}
	}
}

func (p *Provider) entries(text []byte) ([]provider.Entry, error) {
	var out []provider.Entry
	if p.file.JSON == nil {
		for line := range strings.Lines(string(text)) {
			if ref := strings.TrimRight(line, "\r\n"); ref != "" {
				out = append(out, entry(ref, "", ""))
			}
		}
		return out, nil
	}
	var rows []map[string]any
	if json.Unmarshal(text, &rows) != nil {
		return nil, provider.Errorf(provider.Invalid, "list: not a JSON array of objects")
	}
	for _, row := range rows {
		get := func(key string) string {
			s, _ := row[key].(string)
			return s
		}
		e := entry(get(p.file.JSON.Ref), get(p.file.JSON.Name), get(p.file.JSON.Path))
		e.ChangeToken = get(p.file.JSON.Token)
		if e.Ref == "" {
			return nil, provider.Errorf(provider.Invalid, "list: an object without %q", p.file.JSON.Ref)
		}
		out = append(out, e)
	}
	return out, nil
}

// entry takes name and path from the reference where they are not given.
func entry(ref, name, dir string) provider.Entry {
	if name == "" {
		name = path.Base(ref)
		if d := path.Dir(ref); dir == "" && d != "." {
			dir = strings.Trim(d, "/")
		}
	}
	return provider.Entry{Ref: ref, Name: name, Path: dir}
}

// Fetch has the program print one value.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	if strings.HasPrefix(ref, "-") || strings.ContainsRune(ref, 0) {
		return provider.Item{}, provider.Errorf(provider.Invalid, "reference %q would be an option of the program", ref)
	}
	argv := slices.Clone(p.file.Get)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], place, ref)
	}
	text, err := p.call(ctx, argv)
	if err != nil {
		return provider.Item{}, err
	}
	if p.file.Field != "" {
		var object map[string]any
		value, ok := "", json.Unmarshal(text, &object) == nil
		if ok {
			value, ok = object[p.file.Field].(string)
		}
		clear(text)
		if !ok {
			return provider.Item{}, provider.Errorf(provider.Invalid, "%s: no text %q in what the program prints", ref, p.file.Field)
		}
		return provider.Item{Value: []byte(value)}, nil
	}
	if !p.file.Raw {
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	}
	return provider.Item{Value: text}, nil
}

// Package dotenv reads .env files. There is no standard for them: by default a
// value is taken as it is written, and every line that another reader would
// take differently is named.
package dotenv

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opaquevault/ov/sdk/provider"
)

// maxFile bounds a file, in bytes; maxNotes how many lines are warned of.
const (
	maxFile  = 4 << 20
	maxNotes = 20
)

// Provider reads one file.
type Provider struct {
	file    string
	dialect Dialect
}

// New returns the provider.
func New() *Provider { return new(Provider) }

// Info describes the provider.
func (*Provider) Info() provider.Info {
	return provider.Info{Name: "dotenv", Version: "1", Description: "a .env file", Doors: []string{"the file's permissions"},
		Settings: []provider.Setting{
			{Name: "file", Description: "path of the file", Required: true},
			{Name: "dialect", Description: "literal: as written; node, compose or shell: as these read it", Default: string(Literal)},
		}}
}

// Configure reads the file once, to warn of what is in dispute.
func (p *Provider) Configure(_ context.Context, c provider.Config) (provider.Account, error) {
	p.file, p.dialect = c.Settings["file"], Dialect(c.Settings["dialect"])
	if p.dialect == "" {
		p.dialect = Literal
	}
	if !slices.Contains(Dialects(), p.dialect) {
		return provider.Account{}, provider.Errorf(provider.Invalid, "dialect %q: want one of %v", p.dialect, Dialects())
	}
	pairs, _, err := p.read()
	if err != nil {
		return provider.Account{}, err
	}
	notes := disputes(pairs, p.dialect)
	if n := len(notes) - maxNotes; n > 0 {
		notes = append(notes[:maxNotes], fmt.Sprintf("... and %d more lines like these", n))
	}
	return provider.Account{Name: p.file, Door: "file", Notes: notes}, nil
}

// read parses the file. The stamp changes with it and says nothing of what is
// in it.
func (p *Provider) read() ([]Pair, string, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return nil, "", fault(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, "", fault(err)
	}
	if !st.Mode().IsRegular() {
		return nil, "", provider.Errorf(provider.Invalid, "%s is not a regular file", p.file)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, "", fault(err)
	}
	if len(text) > maxFile {
		return nil, "", provider.Errorf(provider.TooLarge, "%s: over %d MiB", p.file, maxFile>>20)
	}
	pairs, err := Parse(string(text), p.dialect)
	if err != nil {
		return nil, "", provider.Errorf(provider.Invalid, "%s: %v", p.file, err)
	}
	return pairs, fmt.Sprintf("%d-%d-%s", st.ModTime().UnixNano(), st.Size(), p.dialect), nil
}

func fault(err error) error {
	switch {
	case os.IsNotExist(err):
		return provider.Errorf(provider.NotFound, "%v", err)
	case os.IsPermission(err):
		return provider.Errorf(provider.Denied, "%v", err)
	}
	return provider.Errorf(provider.Invalid, "%v", err)
}

// List yields the names; of one that is set twice the last counts.
func (p *Provider) List(_ context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		pairs, stamp, err := p.read()
		if err != nil {
			yield(provider.Entry{}, err)
			return
		}
		if q.Path != "" || len(q.Tags) > 0 {
			yield(provider.Entry{}, provider.Errorf(provider.Invalid, "a .env file has neither folders nor tags"))
			return
		}
		for name := range last(pairs) {
			if !yield(provider.Entry{Ref: name, Name: name, ChangeToken: stamp}, nil) {
				return
			}
		}
	}
}

// last yields each name once, where it is set for the last time.
func last(pairs []Pair) iter.Seq2[string, Pair] {
	return func(yield func(string, Pair) bool) {
		at := map[string]int{}
		for i, p := range pairs {
			at[p.Name] = i
		}
		for i, p := range pairs {
			if at[p.Name] == i && !yield(p.Name, p) {
				return
			}
		}
	}
}

// Fetch reads one value.
func (p *Provider) Fetch(ctx context.Context, ref string) (provider.Item, error) {
	for r := range p.FetchBatch(ctx, []string{ref}) {
		return r.Item, r.Err
	}
	return provider.Item{}, provider.Errorf(provider.Unknown, "nothing was read")
}

// FetchBatch reads the file once for all of refs.
func (p *Provider) FetchBatch(ctx context.Context, refs []string) iter.Seq[provider.Result] {
	return func(yield func(provider.Result) bool) {
		values, stamp, err := p.values(ctx)
		for _, ref := range refs {
			r := provider.Result{Ref: ref, Err: err}
			if value, ok := values[ref]; ok {
				r.Item = provider.Item{Value: []byte(value), ChangeToken: stamp}
			} else if err == nil {
				r.Err = provider.Errorf(provider.NotFound, "%s has no %q", filepath.Base(p.file), ref)
			}
			if !yield(r) {
				return
			}
		}
	}
}

// values returns what each name is set to for the last time.
func (p *Provider) values(ctx context.Context) (map[string]string, string, error) {
	if ctx.Err() != nil {
		return nil, "", provider.Errorf(provider.Unknown, "cancelled")
	}
	pairs, stamp, err := p.read()
	if err != nil {
		return nil, "", err
	}
	values := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		values[pair.Name] = pair.Value
	}
	return values, stamp, nil
}

// disputes says, line by line, who would read another value. No value is in it.
func disputes(pairs []Pair, own Dialect) []string {
	var out []string
	first := map[string]int{}
	for _, p := range pairs {
		var other, fails []string
		for _, d := range Dialects() {
			if d == own {
				continue
			}
			got, err := Parse(p.text, d)
			switch {
			case err != nil || len(got) != 1:
				fails = append(fails, string(d))
			case got[0].Value != p.Value || got[0].Name != p.Name:
				other = append(other, string(d))
			}
		}
		var said []string
		if len(other) > 0 {
			said = append(said, strings.Join(other, ", ")+" would read another value")
		}
		if len(fails) > 0 {
			said = append(said, strings.Join(fails, ", ")+" would refuse it")
		}
		if l := first[p.Name]; l > 0 {
			said = append(said, fmt.Sprintf("set in line %d already; the last one counts", l))
		}
		first[p.Name] = p.Line
		if len(said) > 0 {
			out = append(out, fmt.Sprintf("line %d: %s: %s", p.Line, p.Name, strings.Join(said, "; ")))
		}
	}
	return out
}

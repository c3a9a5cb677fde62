package broker

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/opaquevault/ov/core/secret"
)

// A Template is a file in which {{NAME}} stands for a secret. The child finds
// the path of the filled-in file, which is on no disk, in the variable As.
type Template struct{ As, File string }

// maxTemplate is more than any configuration file has, in bytes.
const maxTemplate = 4 << 20

// placeholder is {{NAME}}; other braces, those of other template languages, are text.
func placeholder() *regexp.Regexp {
	return regexp.MustCompile(`\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}`)
}

// readTemplates reads the templates before anything is asked for, and adds the
// secrets that they name to a list of wants: without a variable of their own.
func (r *Request) readTemplates() (texts [][]byte, err error) {
	for _, t := range r.Templates {
		text, err := readTemplate(t.File)
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		texts = append(texts, text)
		for _, m := range placeholder().FindAllSubmatch(text, -1) {
			r.wantTemplate(string(m[1]))
		}
	}
	return texts, nil
}

func readTemplate(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && len(text) > maxTemplate {
		err = fmt.Errorf("%q: longer than %d bytes", file, maxTemplate)
	}
	return text, err
}

// wantTemplate sees to it that the grant holds the secret that a template calls name.
func (r *Request) wantTemplate(name string) {
	if r.templated == nil {
		r.templated = map[secret.Ref]bool{}
	}
	ref := secret.Ref{App: r.Space.App, Env: r.Space.Env, Name: name}
	for _, w := range r.Wants {
		if w.As == name || w.As == "" && w.Ref == ref {
			r.templated[w.Ref] = true
			return
		}
	}
	r.templated[ref] = true
	if r.Wants != nil {
		r.Wants = append(r.Wants, Want{Ref: ref})
	}
}

// render fills in the templates with what was granted.
func (in *injection) render(templates []Template, texts [][]byte, all []variable) error {
	for i, t := range templates {
		path, err := in.files.File(filepath.Base(t.File), func(w io.Writer) error { return fill(w, texts[i], all) })
		if err != nil {
			return fmt.Errorf("fill in template %q: %w", t.File, err)
		}
		in.env = append(without(in.env, t.As), t.As+"="+path)
	}
	return nil
}

// fill writes text with the values in the place of their names. A name without
// a secret is an error: half a configuration is none.
func fill(w io.Writer, text []byte, all []variable) error {
	places := placeholder().FindAllSubmatchIndex(text, -1)
	size := len(text)
	for _, m := range places {
		v, _ := named(all, string(text[m[2]:m[3]]))
		size += v.secret.Value.Len()
	}
	var out bytes.Buffer
	out.Grow(size) // once: a buffer that grows leaves copies behind
	defer func() { clear(out.Bytes()) }()
	last := 0
	for _, m := range places {
		v, ok := named(all, string(text[m[2]:m[3]]))
		if !ok {
			return fmt.Errorf("%w: no secret for %s", ErrDeliver, text[m[0]:m[1]])
		}
		out.Write(text[last:m[0]])
		out.Write(v.secret.Value.Reveal())
		last = m[1]
	}
	out.Write(text[last:])
	_, err := w.Write(out.Bytes())
	return err
}

func named(all []variable, name string) (variable, bool) {
	for _, v := range all {
		if v.as == name || v.as == "" && v.secret.Ref.Name == name {
			return v, true
		}
	}
	return variable{}, false
}

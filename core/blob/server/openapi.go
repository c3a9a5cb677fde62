package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed openapi.json
var openapi []byte

//go:embed page.html
var pageText string

func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openapi)
	return nil
}

// An operation is what the page shows of one.
type operation struct {
	Method, Path, Anchor string
	Summary, Description string
	Tags                 []string
	Parameters           []struct{ Name, In, Description string }
	Responses            map[string]struct{ Description string }
	Security             []map[string][]string
}

// A chapter is the operations under one tag.
type chapter struct {
	Name, Description string
	Operations        []operation
}

// render turns an OpenAPI document into a page for people.
func render(doc []byte) ([]byte, error) {
	var d struct {
		Info  struct{ Title, Summary, Description string }
		Tags  []chapter
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, err
	}
	for path, methods := range d.Paths {
		for method, o := range methods {
			o.Method, o.Path = strings.ToUpper(method), path
			o.Anchor = strings.ToLower(o.Method) + strings.NewReplacer("/", "-", "{", "", "}", "").Replace(path)
			i := slices.IndexFunc(d.Tags, func(c chapter) bool { return slices.Contains(o.Tags, c.Name) })
			if i >= 0 {
				d.Tags[i].Operations = append(d.Tags[i].Operations, o)
			}
		}
	}
	for _, c := range d.Tags {
		slices.SortFunc(c.Operations, func(a, b operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	}
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, d)
	return out.Bytes(), err
}

func (s *Server) getPage(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(s.page)
	return nil
}

package server

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob/depot/lite"
	"github.com/opaquevault/ov/core/channel"
)

// described are the operations of openapi.json, as net/http writes patterns.
func described(t *testing.T) map[string]operation {
	t.Helper()
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]operation
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("OpenAPI %q", doc.OpenAPI)
	}
	out := map[string]operation{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			if path == "/" {
				path = "/{$}"
			}
			out[strings.ToUpper(method)+" "+path] = o
		}
	}
	return out
}

// Every route is described, every description is a route, and both agree on
// parameters and on whether a signature is wanted.
func TestOpenAPI(t *testing.T) {
	docs := described(t)
	names := regexp.MustCompile(`\{(\w+)\}`)
	for _, r := range routes() {
		o, ok := docs[r.pattern]
		if !ok {
			t.Errorf("%s is not described", r.pattern)
			continue
		}
		delete(docs, r.pattern)
		var want, got []string
		for _, m := range names.FindAllStringSubmatch(r.pattern, -1) {
			want = append(want, m[1])
		}
		for _, p := range o.Parameters {
			if p.In == "path" {
				got = append(got, p.Name)
			}
		}
		if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) {
			t.Errorf("%s: parameters %v, described %v", r.pattern, want, got)
		}
		if (r.serve != nil) != (len(o.Security) > 0) {
			t.Errorf("%s: signed is %v, described otherwise", r.pattern, r.serve != nil)
		}
		if o.Summary == "" || len(o.Responses) == 0 {
			t.Errorf("%s: no summary or no responses", r.pattern)
		}
	}
	if len(docs) > 0 {
		t.Errorf("described, but no routes: %v", slices.Sorted(maps.Keys(docs)))
	}
}

// Every code that a server can answer with is in the description's list.
func TestOpenAPICodes(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Error struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile(filepath.Join("..", "wire", "problem.go"))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, m := range regexp.MustCompile(`Code\w+\s+= "(\w+)"`).FindAllStringSubmatch(string(src), -1) {
		codes = append(codes, m[1])
	}
	if enum := doc.Components.Schemas.Problem.Properties.Error.Enum; len(codes) < 15 || !slices.Equal(slices.Sorted(slices.Values(codes)), slices.Sorted(slices.Values(enum))) {
		t.Errorf("codes %v, described %v", codes, enum)
	}
}

// The references of the document lead somewhere.
func TestOpenAPIReferences(t *testing.T) {
	refs := regexp.MustCompile(`"\$ref": "#/components/schemas/(\w+)"`).FindAllSubmatch(openapi, -1)
	if len(refs) == 0 {
		t.Fatal("no references")
	}
	var doc struct {
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(openapi, &doc); err != nil {
		t.Fatal(err)
	}
	for _, r := range refs {
		if doc.Components.Schemas[string(r[1])] == nil {
			t.Errorf("%s is not there", r[0])
		}
	}
}

func newTestServer(t *testing.T) *Server {
	t.Helper()
	d, err := lite.Open(t.Context(), filepath.Join(t.TempDir(), "server.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	key, err := channel.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Depot: d, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPage(t *testing.T) {
	s := newTestServer(t)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	w := get("/")
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if n := bytes.Count(w.Body.Bytes(), []byte("<details")); n != len(routes()) {
		t.Errorf("%d operations on the page, want %d", n, len(routes()))
	}
	if bytes.Contains(w.Body.Bytes(), []byte("<script")) {
		t.Error("a script")
	}
	if w := get("/openapi.json"); !bytes.Equal(w.Body.Bytes(), openapi) {
		t.Error("another document")
	}
	if w := get("/nowhere"); w.Code != 404 || !strings.Contains(w.Body.String(), `"not_found"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

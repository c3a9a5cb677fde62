package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/tailscale/hujson"
)

// setJSON puts value at path into a JSON document that may have comments and
// trailing commas, and leaves all other bytes as they are.
func setJSON(doc []byte, path []string, value any) ([]byte, error) {
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}\n")
	}
	v, err := hujson.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return nil, fmt.Errorf("read configuration: not a JSON object")
	}
	for n := 1; n < len(path); n++ {
		if v.Find(pointer(path[:n])) == nil {
			if err := patch(&v, "add", path[:n], map[string]any{}); err != nil {
				return nil, err
			}
		}
	}
	op := "add"
	if old := v.Find(pointer(path)); old != nil {
		if equal(old, value) {
			return doc, nil
		}
		op = "replace"
	}
	if err := patch(&v, op, path, value); err != nil {
		return nil, err
	}
	return indentNew(v.Pack(), doc), nil
}

// removeJSON takes the member at path out; a document without it stays as it is.
func removeJSON(doc []byte, path []string) ([]byte, error) {
	v, err := hujson.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if v.Find(pointer(path)) == nil {
		return doc, nil
	}
	if err := patch(&v, "remove", path, nil); err != nil {
		return nil, err
	}
	return v.Pack(), nil
}

// equal compares a value of a document with one of ours, by what they mean.
func equal(old *hujson.Value, value any) bool {
	c := old.Clone()
	c.Standardize()
	var a, b any
	ours, err := json.Marshal(value)
	return err == nil && json.Unmarshal(c.Pack(), &a) == nil && json.Unmarshal(ours, &b) == nil && reflect.DeepEqual(a, b)
}

func patch(v *hujson.Value, op string, path []string, value any) error {
	b, err := json.Marshal([]map[string]any{{"op": op, "path": pointer(path), "value": value}})
	if err == nil {
		err = v.Patch(b)
	}
	if err != nil {
		return fmt.Errorf("edit configuration: %w", err)
	}
	return nil
}

// pointer is a path as RFC 6901 spells it.
func pointer(path []string) string {
	var b strings.Builder
	for _, p := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p))
	}
	return b.String()
}

// indentNew formats a document that held nothing to keep: one that we made.
func indentNew(out, before []byte) []byte {
	if len(bytes.TrimSpace(before)) > 2 {
		return out
	}
	if f, err := hujson.Format(out); err == nil {
		return f
	}
	return out
}

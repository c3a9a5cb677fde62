package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/tailscale/hujson"
)

// mark is what some editors put at the beginning of a file.
const mark = "\uFEFF"

// setJSON puts value at path into a JSON document that may have comments and
// trailing commas, and leaves all other bytes as they are.
func setJSON(doc []byte, path []string, value any) ([]byte, error) {
	doc, marked := bytes.CutPrefix(doc, []byte(mark))
	if len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}\n")
	}
	v, err := parseJSON(doc)
	if err != nil {
		return nil, err
	}
	out := doc
	if old := v.Find(pointer(path)); old == nil {
		if out, err = add(doc, &v, path, value); err != nil {
			return nil, err
		}
	} else if !equal(old, value) {
		if err := patch(&v, "replace", path, value); err != nil {
			return nil, err
		}
		out = v.Pack()
	}
	if err := onlyThis(doc, out, path, value); err != nil {
		return nil, err
	}
	return remark(out, marked), nil
}

// add inserts value, with those of the objects on its path that are not there.
func add(doc []byte, v *hujson.Value, path []string, value any) ([]byte, error) {
	n := len(path) - 1
	for n > 0 && v.Find(pointer(path[:n])) == nil {
		n--
	}
	at := v
	if n > 0 {
		at = v.Find(pointer(path[:n]))
	}
	if _, ok := at.Value.(*hujson.Object); !ok {
		return nil, fmt.Errorf("edit configuration: %q is not an object", strings.Join(path[:n], "."))
	}
	for i := len(path) - 1; i > n; i-- {
		value = object{{path[i], value}}
	}
	return insert(doc, at, member{path[n], value}), nil
}

// removeJSON takes the member at path out; a document without it stays as it is.
func removeJSON(doc []byte, path []string) ([]byte, error) {
	doc, marked := bytes.CutPrefix(doc, []byte(mark))
	v, err := parseJSON(doc)
	if err != nil {
		return nil, err
	}
	out := doc
	if v.Find(pointer(path)) != nil {
		if err := patch(&v, "remove", path, nil); err != nil {
			return nil, err
		}
		out = v.Pack()
	}
	if err := onlyThis(doc, out, path, nil); err != nil {
		return nil, err
	}
	return remark(out, marked), nil
}

func remark(doc []byte, marked bool) []byte {
	if marked {
		return append([]byte(mark), doc...)
	}
	return doc
}

func parseJSON(doc []byte) (hujson.Value, error) {
	v, err := hujson.Parse(doc)
	if err != nil {
		return v, fmt.Errorf("read configuration: %w", err)
	}
	if _, ok := v.Value.(*hujson.Object); !ok {
		return v, fmt.Errorf("read configuration: not a JSON object")
	}
	return v, nil
}

// onlyThis checks an edit by what it means to a reader: after is before with value
// at path, or without it when value is nil, and nothing else. A document with the
// same name twice is one that this finds.
func onlyThis(before, after []byte, path []string, value any) error {
	a, b := map[string]any{}, map[string]any{}
	for doc, into := range map[*[]byte]*map[string]any{&before: &a, &after: &b} {
		plain, err := hujson.Standardize(bytes.Clone(*doc))
		if err == nil {
			err = json.Unmarshal(plain, into)
		}
		if err != nil {
			return fmt.Errorf("edit configuration: %w", err)
		}
	}
	return checkEdit(a, b, path, value)
}

// checkEdit is onlyThis of documents that were read.
func checkEdit(before, after map[string]any, path []string, value any) error {
	at := before
	for _, p := range path[:len(path)-1] {
		next, ok := at[p].(map[string]any)
		if !ok && value == nil {
			at = map[string]any{}
			break
		}
		if !ok {
			next = map[string]any{}
			at[p] = next
		}
		at = next
	}
	delete(at, path[len(path)-1])
	if value != nil {
		var plain any
		b, err := json.Marshal(value)
		if err == nil {
			err = json.Unmarshal(b, &plain)
		}
		if err != nil {
			return fmt.Errorf("edit configuration: %w", err)
		}
		at[path[len(path)-1]] = plain
	}
	if !reflect.DeepEqual(before, after) {
		return ErrByHand
	}
	return nil
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

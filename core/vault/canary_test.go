package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/blob"
)

// 10 and 24, for the vault: canaries in names, values, tags, documents and the
// password; none in any file, in five encodings, nor in any error.
func TestAttack24Canary(t *testing.T) {
	h := newHome(t)
	const pw = "CANARY-password-8d1f"
	v, kit, err := Create(t.Context(), h.store(), h.dir, text(pw), Options{})
	if err != nil {
		t.Fatal(err)
	}
	value := "CANARY-value-8d1f"
	var said []error
	note := func(err error) { said = append(said, err) }
	r := ref(t, "canary-app/canary-env/CANARY_NAME")
	for range 3 {
		_, err := v.Put(t.Context(), r, text(value), PutOptions{Tags: []string{"CANARY-tag"}})
		note(err)
	}
	note(v.PutSealed(t.Context(), Policy, []byte("CANARY-policy")))
	_, err = v.Rename(t.Context(), r, ref(t, "CANARY_OTHER"), yes)
	note(err)
	_, err = v.Put(t.Context(), ref(t, "CANARY_OTHER"), text(strings.Repeat(value, 5000)), PutOptions{})
	note(err)
	note(v.Passwd(t.Context(), text("CANARY-wrong"), text("x")))
	note(v.Passwd(t.Context(), text(pw), text(pw+"2")))
	note(v.Rotate(t.Context(), text(pw+"2"), yes))
	f := evil(v)
	f.got = func(recs []blob.Record) { recs[0].Data[40] ^= 1 }
	note(open(v, ref(t, "CANARY_OTHER")))
	for _, err := range said {
		if err != nil && (strings.Contains(err.Error(), "CANARY-") || strings.Contains(err.Error(), string(kit.Key.Reveal()))) {
			t.Errorf("an error says it: %v", err)
		}
	}
	files := 0
	for _, canary := range []string{"CANARY", "canary-app", "canary-env", string(kit.Key.Reveal())} {
		for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), base64.StdEncoding.EncodeToString([]byte(canary))[:len(canary)], strings.ToLower(canary), utf16(canary)} {
			files += search(t, h.dir, form)
		}
	}
	if files < 5*3 {
		t.Errorf("searched %d files only", files)
	}
	survived(t, 24, "canaries in names, values, tags, documents and passwords: in no file and no error")
}

func utf16(s string) string {
	var b strings.Builder
	for _, c := range s {
		b.WriteRune(c)
		b.WriteByte(0)
	}
	return b.String()
}

func search(t *testing.T, dir, form string) (files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if bytes.Contains(b, []byte(form)) {
			t.Errorf("%s holds %q", p, form)
		}
		files++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

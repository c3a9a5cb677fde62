package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inLanguage returns the blocks of a guide that are fenced with a language.
func inLanguage(text, language string) []string {
	var all []string
	for _, part := range strings.Split(text, "\n```"+language+"\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		all = append(all, block+"\n")
	}
	return all
}

// TestProviderGuide compiles the program of docs/writing-a-provider.md and its
// test, runs that, and does what the page says with the program.
func TestProviderGuide(t *testing.T) {
	code := inLanguage(guide(t, "writing-a-provider.md"), "go")
	if len(code) != 2 {
		t.Fatalf("%d programs, want one and its test", len(code))
	}
	w := newWorld(t, t.TempDir())
	defer w.leave(t)
	program := buildGuide(t, w, code)

	service := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer good":
			rw.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/secrets":
			json.NewEncoder(rw).Encode([]map[string]string{{"name": "canary", "version": "7"}})
		case r.URL.Path == "/secrets/canary":
			rw.Write([]byte(w.canary))
		default:
			rw.WriteHeader(http.StatusNotFound)
		}
	}))
	defer service.Close()
	w.env["LARDER_TOKEN"] = "good"
	w.env["PATH"] = filepath.Dir(w.env["OV_PROGRAM"]) + ":" + os.Getenv("PATH")
	w.must(t, "", "vault", "init", "--kit", "kit")
	for _, step := range []struct{ line, says string }{
		{"ov provider add " + program + " --yes", "registered larder"},
		{"ov provider test larder://" + service.URL, "1 entries; no value was read"},
		{"ov import larder://" + service.URL + " --yes", "1 written"},
		{"ov run -- sh -c 'echo $CANARY'", "[REDACTED:CANARY]"},
		{"LARDER_TOKEN= ov provider test larder://" + service.URL + " || true", "tried LARDER_TOKEN"},
	} {
		if out, code := w.shell(t, step.line); code != 0 || !strings.Contains(out, step.says) {
			t.Errorf("%s: %d, want %q\n%s", step.line, code, step.says, out)
		}
	}
}

// buildGuide lays the guide's files over a package of this module, for the
// compiler alone, runs its test and returns the program.
func buildGuide(t *testing.T, w *world, code []string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for name, text := range map[string]string{"main.go": code[0], "main_test.go": code[1]} {
		replace[filepath.Join(root, "sdk/example/folder", name)] = w.file(t, "larder-"+name, text)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	at := w.file(t, "overlay.json", string(overlay))
	program := filepath.Join(w.work, "ov-larder")
	for _, args := range [][]string{{"vet", "-overlay", at}, {"test", "-count=1", "-overlay", at}, {"build", "-overlay", at, "-o", program}} {
		cmd := exec.Command("go", append(args, "./sdk/example/folder")...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
	return program
}

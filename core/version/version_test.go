package version

import (
	"runtime"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	v := Get()
	if v.Go != runtime.Version() || v.System != runtime.GOOS+"/"+runtime.GOARCH || v.Version == "" {
		t.Errorf("%+v", v)
	}
	if s := (Info{"v1.2.3", "0123456789abcdef", "go1", "a/b"}).String(); s != "v1.2.3 (0123456789ab) go1 a/b" {
		t.Error(s)
	}
	if s := (Info{Version: "v1", Commit: "abc", Go: "go1", System: "a/b"}).String(); !strings.Contains(s, "(abc)") {
		t.Error(s)
	}
}

func TestAsked(t *testing.T) {
	for line, want := range map[string]bool{"--version": true, "": false, "--version x": false, "serve --version": false} {
		if Asked(strings.Fields(line)) != want {
			t.Errorf("%q: %v", line, !want)
		}
	}
}

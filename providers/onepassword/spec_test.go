package onepassword

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/providertest"
)

// checked is the account behind Prism, which holds every request and every
// answer against 1Password's own document and answers 500 where either departs
// from it.
type checked struct {
	*account
	at string
}

func (c checked) Provider(testing.TB) (provider.Provider, provider.Config) {
	c.mu.Lock()
	c.expired = false
	c.mu.Unlock()
	p := New()
	env := map[string]string{"OP_CONNECT_HOST": c.at, "OP_CONNECT_TOKEN": "good"}
	p.getenv = func(k string) string { return env[k] }
	return p, provider.Config{}
}

// TestSpecification: what we ask, and what the other tests' fake answers, is
// what 1Password's document says of Connect.
func TestSpecification(t *testing.T) {
	prism, err := filepath.Abs("../../bin/import-tools/node_modules/.bin/prism")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(prism); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Prism is needed in CI: make import-tools")
		}
		t.Skip("no Prism (make import-tools): Connect is tested against the fake alone")
	}
	a := newAccount(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().(*net.TCPAddr)
	l.Close()
	_, port, _ := net.SplitHostPort(at.String())
	cmd := exec.Command(prism, "proxy", "-h", "127.0.0.1", "-p", port, "--errors", "testdata/connect-api.json", a.URL+"/v1")
	cmd.Env = append(os.Environ(), "CHOKIDAR_USEPOLLING=1") // no inotify, of which there may be none left
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	prismAt := &url.URL{Scheme: "http", Host: at.String()}
	// Prism takes paths without the server's own /v1.
	front := httptest.NewServer(http.StripPrefix("/v1", httputil.NewSingleHostReverseProxy(prismAt)))
	t.Cleanup(front.Close)
	c := checked{a, front.URL}
	for range 600 {
		if res, err := http.Get(prismAt.String() + "/vaults"); err == nil {
			res.Body.Close()
			providertest.Run(t, c, providertest.Traits{NoBinary: true})
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("Prism did not start")
}

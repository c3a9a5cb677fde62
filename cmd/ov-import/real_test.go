package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cloud is moto, which is AWS in one process, behind a counter of calls.
type cloud struct {
	url          string
	calls, reads atomic.Int64
}

func (c *cloud) took() (calls, reads int64) { return c.calls.Swap(0), c.reads.Swap(0) }

func startCloud(t *testing.T) *cloud {
	t.Helper()
	if os.Getenv("REAL") == "" {
		t.Skip("1,000 secrets from moto: make real")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(at)
	cmd := exec.Command("moto_server", "-H", "127.0.0.1", "-p", port)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 300 {
		if res, err := http.Get("http://" + at + "/moto-api/"); err == nil {
			res.Body.Close()
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c := &cloud{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: at})
	front := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.calls.Add(1)
		if strings.Contains(r.Header.Get("X-Amz-Target"), "GetSecretValue") {
			c.reads.Add(1)
		}
		proxy.ServeHTTP(w, r)
	})}
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go front.Serve(l)
	t.Cleanup(func() { front.Close() })
	c.url = "http://" + l.Addr().String()
	return c
}

// boto runs the independent client.
func (w *world) boto(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("python3", append([]string{"testdata/aws.py"}, args...)...)
	cmd.Env, cmd.Stderr = append(w.env, "HOME="+os.Getenv("HOME")), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// values has a command write its environment to a file, byte by byte.
func (w *world) values(t *testing.T, app string) map[string]string {
	t.Helper()
	at := filepath.Join(t.TempDir(), "environment")
	w.must(t, "run", "-a", app, "--pristine", "--", "/bin/sh", "-c", "/usr/bin/env -0 > "+at)
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(at)
	got := map[string]string{}
	for pair := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(pair, "="); ok && strings.HasPrefix(name, "KEY_") {
			got[name] = value
		}
	}
	return got
}

// TestRealAWS imports 1,000 secrets that another client wrote and reads back
// what that client reads; imports them again, and through 20 kills.
func TestRealAWS(t *testing.T) {
	c := startCloud(t)
	w := newWorld(t)
	w.env = append(w.env, "AWS_ENDPOINT_URL="+c.url, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true")
	w.boto(t, "fill", "1000")
	c.took()

	began := time.Now()
	w.must(t, "import", "aws://", "-a", "aws", "--yes").says(t, "1000 written, 1000 of them read back")
	took := time.Since(began)
	calls, _ := c.took()
	t.Logf("1,000 secrets cold: %d calls, %v", calls, took)
	if calls > 65 {
		t.Errorf("%d calls for 1,000 secrets", calls)
	}
	began = time.Now()
	w.must(t, "import", "aws://", "-a", "aws").says(t, "1000 same", "0 values read")
	took = time.Since(began)
	calls, reads := c.took()
	t.Logf("again: %d calls, %d of them read values, %v", calls, reads, took)
	if calls > 15 || reads > 0 {
		t.Errorf("again: %d calls, %d reads", calls, reads)
	}

	var want map[string]string
	if err := json.Unmarshal(w.boto(t, "dump"), &want); err != nil || len(want) != 1000 {
		t.Fatalf("the other client reads %d, %v", len(want), err)
	}
	same := func(app string) {
		got := w.values(t, app)
		if len(got) != len(want) {
			t.Errorf("%s: %d values, want %d", app, len(got), len(want))
		}
		for name, v := range want {
			if got[name] != v {
				t.Errorf("%s: %s is not what the other client reads", app, name)
			}
		}
	}
	same("aws")

	for range 20 {
		cmd := w.command("import", "aws://", "-a", "killed", "--yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200*time.Millisecond + rand.N(took+time.Second))
		cmd.Process.Signal(syscall.SIGKILL)
		cmd.Wait()
		w.must(t, "import", "resume")
	}
	w.must(t, "import", "aws://", "-a", "killed", "--yes")
	same("killed")
	for name, n := range w.versions(t, "killed") {
		if n != 1 {
			t.Errorf("%s has version %d after 20 kills", name, n)
		}
	}
	w.clean(t, want["KEY_0007"], want["KEY_0500"])
}

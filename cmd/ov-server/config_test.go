package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, env []string, file string, set Config) (Config, error) {
	t.Helper()
	c := &cli{env: env, set: set}
	if file != "" {
		c.file = filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(c.file, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c.config()
}

// Flags come before the environment, that before the file, that before the defaults.
func TestPrecedence(t *testing.T) {
	home := "HOME=/home/someone"
	file := "listen = \"1.1.1.1:1\"\nburst = 7\nhosts = [\"a\", \"b\"]\ndrain_delay = \"3s\"\n"
	for _, c := range []struct {
		what string
		env  []string
		file string
		set  Config
		want string
	}{
		{"defaults", []string{home}, "", Config{}, defaultListen},
		{"file", []string{home}, file, Config{}, "1.1.1.1:1"},
		{"environment", []string{home, "OV_SERVER_LISTEN=2.2.2.2:2"}, file, Config{}, "2.2.2.2:2"},
		{"flag", []string{home, "OV_SERVER_LISTEN=2.2.2.2:2"}, file, Config{Listen: "3.3.3.3:3"}, "3.3.3.3:3"},
		{"empty is not set", []string{home, "OV_SERVER_LISTEN="}, file, Config{}, "1.1.1.1:1"},
	} {
		conf, err := load(t, c.env, c.file, c.set)
		if err != nil || conf.Listen != c.want {
			t.Errorf("%s: %q, %v", c.what, conf.Listen, err)
		}
		if c.file != "" && (conf.Burst != 7 || len(conf.Hosts) != 2 || conf.DrainDelay != 3*time.Second) {
			t.Errorf("%s: %+v", c.what, conf)
		}
	}
	conf, err := load(t, []string{home, "OV_SERVER_HOSTS=x,y,z", "OV_SERVER_RATE=1.5", "OV_SERVER_MAX_BYTES=9", "OV_SERVER_BURST=3", "OV_SERVER_INSECURE_HTTP=true", "OV_SERVER_DRAIN_TIMEOUT=2m"}, "", Config{})
	if err != nil || len(conf.Hosts) != 3 || conf.Rate != 1.5 || conf.MaxBytes != 9 || conf.Burst != 3 || !conf.InsecureHTTP || conf.DrainTimeout != 2*time.Minute {
		t.Errorf("%+v, %v", conf, err)
	}
}

func TestBadConfiguration(t *testing.T) {
	home := []string{"HOME=/home/someone"}
	for what, c := range map[string]struct {
		env  []string
		file string
		says string
	}{
		"an unknown name":        {home, "listne = \"x\"\n", `"listne"`},
		"no TOML":                {home, "listen", "read configuration"},
		"another type":           {home, "burst = \"many\"\n", "burst"},
		"a variable of its type": {append(home, "OV_SERVER_BURST=hunter2"), "", "OV_SERVER_BURST"},
		"registration":           {home, "registration = \"maybe\"\n", "registration"},
		"half a certificate":     {home, "tls_cert = \"x\"\n", "tls_key"},
		"both":                   {home, "tls_cert = \"x\"\ntls_key = \"y\"\ninsecure_http = true\n", "which"},
		"a rate below zero":      {home, "rate = -1.0\n", "rate"},
		"another database":       {home, "database = \"mysql://u:hunter2@h/d\"\n", "postgres://"},
		"no folder":              {nil, "", "no folder"},
	} {
		if os.Geteuid() == 0 && what == "no folder" {
			continue // root has one
		}
		_, err := load(t, c.env, c.file, Config{})
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := (&cli{file: "/nowhere/config.toml"}).config(); err == nil {
		t.Error("a file that is not there")
	}
}

func TestDataFolder(t *testing.T) {
	for env, want := range map[string]string{
		"STATE_DIRECTORY=/var/lib/x HOME=/home/a": "/var/lib/x", "XDG_DATA_HOME=/d HOME=/home/a": "/d/ov-server", "HOME=/home/a": "/home/a/.local/share/ov-server",
	} {
		if got, err := dataFolder(strings.Fields(env)); err != nil || got != want {
			t.Errorf("%s: %q, %v", env, got, err)
		}
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := makeFolder(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o770); err != nil {
		t.Fatal(err)
	}
	if err := makeFolder(dir); err == nil {
		t.Error("a folder that others may write to")
	}
}

// Plain HTTP is for loopback, whatever the address is called.
func TestTransport(t *testing.T) {
	for listen, ok := range map[string]bool{"127.0.0.1:1": true, "127.9.9.9:1": true, "[::1]:1": true, "localhost:1": true, ":1": false, "0.0.0.0:1": false, "[::]:1": false, "192.0.2.1:1": false, "ov.example:1": false, "nonsense": false} {
		for _, flag := range []bool{false, true} {
			how, err := (&Config{Listen: listen, InsecureHTTP: flag}).transport()
			if (err == nil) != ok || ok && (!how.sealed || how.tls != nil) {
				t.Errorf("%s, --insecure-http %v: %+v, %v", listen, flag, how, err)
			}
		}
	}
	if _, err := (&Config{Listen: ":1", TLSCert: "/nowhere", TLSKey: "/nowhere"}).transport(); err == nil {
		t.Error("a certificate that is not there")
	}
	cert, key, _ := certificate(t, t.TempDir())
	if how, err := (&Config{Listen: ":1", TLSCert: cert, TLSKey: key}).transport(); err != nil || how.tls == nil || how.sealed {
		t.Errorf("%+v, %v", how, err)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	conf := &Config{Data: dir, Key: filepath.Join(dir, "server.key")}
	key, err := conf.ensureKey()
	if err != nil {
		t.Fatal(err)
	}
	again, err := conf.ensureKey()
	if err != nil || fingerprint(again.Public()) != fingerprint(key.Public()) {
		t.Errorf("another key after a restart: %v", err)
	}
	if _, err := makeKey(conf.Key); err == nil {
		t.Error("a key was overwritten")
	}
	named := &Config{Data: dir, Key: filepath.Join(dir, "named.key")}
	if _, err := named.ensureKey(); err == nil {
		t.Error("a key that was named was made: its clients would be locked out")
	}
	if code, out := runs(t, nil, "key", "--new", "--data", dir, "--key", named.Key); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("%d %s", code, out)
	}
	if _, err := named.ensureKey(); err != nil {
		t.Error(err)
	}
	if code, out := runs(t, nil, "key", "--data", dir); code != 0 || strings.TrimSpace(out) != fingerprint(key.Public()) {
		t.Errorf("%d %q", code, out)
	}
	if err := os.Chmod(conf.Key, 0o604); err != nil {
		t.Fatal(err)
	}
	if _, err := conf.ensureKey(); err == nil || !strings.Contains(err.Error(), "everybody") {
		t.Errorf("a key that everybody may read: %v", err)
	}
	for _, bad := range []string{"", "ov-server key 1\n", "ov-server key 1\nzz\n", "ov-server key 2\n" + strings.Repeat("00", 32), "ov-server key 1\n" + strings.Repeat("00", 31)} {
		if err := os.WriteFile(named.Key, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := named.ensureKey(); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"serve", "extra"}, {"backup"}, {"restore"}, {"nonsense"}, {"serve", "--nonsense"}} {
		if code, out := runs(t, nil, args...); code != 1 || !strings.HasPrefix(out, "ov-server: ") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if code, out := runs(t, nil, "--help"); code != 0 || !strings.Contains(out, "serve") || !strings.Contains(out, "backup") {
		t.Errorf("%d %s", code, out)
	}
	// A hint is on a line of its own.
	if code, out := runs(t, []string{"HOME=" + t.TempDir()}, "serve", "--listen", "0.0.0.0:0"); code != 1 || !strings.Contains(out, "\nov-server: hint: ") {
		t.Errorf("%d %s", code, out)
	}
}

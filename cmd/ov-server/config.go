package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

const defaultListen = "127.0.0.1:7443"

// A Config is what an administrator can set: in a file under these names, in the
// environment as OV_SERVER_NAME, some of it by flags. Flags come before the
// environment, that before the file, that before the defaults.
type Config struct {
	Listen        string        `toml:"listen"`
	Data          string        `toml:"data"`
	Database      string        `toml:"database"`
	Key           string        `toml:"key"`
	TLSCert       string        `toml:"tls_cert"`
	TLSKey        string        `toml:"tls_key"`
	InsecureHTTP  bool          `toml:"insecure_http"`
	MetricsListen string        `toml:"metrics_listen"`
	Hosts         []string      `toml:"hosts"`
	Registration  string        `toml:"registration"`
	MaxVaults     int64         `toml:"max_vaults"`
	MaxRecords    int64         `toml:"max_records"`
	MaxBytes      int64         `toml:"max_bytes"`
	Rate          float64       `toml:"rate"`
	Burst         int           `toml:"burst"`
	DrainDelay    time.Duration `toml:"drain_delay"`
	DrainTimeout  time.Duration `toml:"drain_timeout"`
	LogLevel      string        `toml:"log_level"`
}

func defaults() Config {
	return Config{
		Listen: defaultListen, Registration: "open", MaxRecords: 200_000, MaxBytes: 2 << 30,
		Rate: 100, Burst: 1000, DrainTimeout: 30 * time.Second, LogLevel: "info",
	}
}

// config returns what all sources together say.
func (c *cli) config() (Config, error) {
	conf := defaults()
	env := environment(c.env)
	if file := cmp.Or(c.file, env("CONFIG")); file != "" {
		meta, err := toml.DecodeFile(file, &conf)
		if err != nil {
			return conf, fmt.Errorf("read configuration %s: %w", file, err)
		}
		if extra := meta.Undecoded(); len(extra) > 0 {
			return conf, fmt.Errorf("read configuration %s: unknown name %q", file, extra[0].String())
		}
	}
	if err := conf.fromEnvironment(env); err != nil {
		return conf, err
	}
	conf.override(c.set)
	if conf.Data == "" {
		dir, err := dataFolder(c.env)
		if err != nil {
			return conf, err
		}
		conf.Data = dir
	}
	conf.Key = cmp.Or(conf.Key, filepath.Join(conf.Data, "server.key"))
	return conf, conf.check()
}

// environment looks up OV_SERVER_NAME; empty is not set.
func environment(env []string) func(name string) string {
	return func(name string) string {
		for _, kv := range env {
			if v, ok := strings.CutPrefix(kv, "OV_SERVER_"+name+"="); ok {
				return v
			}
		}
		return ""
	}
}

// fromEnvironment sets every field whose variable is set.
func (conf *Config) fromEnvironment(env func(string) string) error {
	v := reflect.ValueOf(conf).Elem()
	for i := range v.NumField() {
		name := strings.ToUpper(v.Type().Field(i).Tag.Get("toml"))
		text := env(name)
		if text == "" {
			continue
		}
		if err := setField(v.Field(i), text); err != nil {
			return fmt.Errorf("OV_SERVER_%s: %w", name, err)
		}
	}
	return nil
}

func setField(f reflect.Value, text string) error {
	var v any
	var err error
	switch f.Interface().(type) {
	case string:
		v = text
	case []string:
		v = strings.Split(text, ",")
	case bool:
		v, err = strconv.ParseBool(text)
	case time.Duration:
		v, err = time.ParseDuration(text)
	case int64:
		v, err = strconv.ParseInt(text, 10, 64)
	case int:
		v, err = strconv.Atoi(text)
	case float64:
		v, err = strconv.ParseFloat(text, 64)
	}
	if err != nil {
		return errors.Unwrap(err) // without the value: it might be a password in the wrong place
	}
	f.Set(reflect.ValueOf(v))
	return nil
}

// override takes over what flags have set.
func (conf *Config) override(set Config) {
	to, from := reflect.ValueOf(conf).Elem(), reflect.ValueOf(set)
	for i := range from.NumField() {
		if !from.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
}

func (conf *Config) check() error {
	switch {
	case conf.Registration != "open" && conf.Registration != "closed":
		return fmt.Errorf(`registration %q: want "open" or "closed"`, conf.Registration)
	case (conf.TLSCert == "") != (conf.TLSKey == ""):
		return errors.New("a certificate wants its key: tls_cert and tls_key go together")
	case conf.TLSCert != "" && conf.InsecureHTTP:
		return errors.New("insecure_http and a certificate: which?")
	case conf.Rate <= 0 || conf.Burst <= 0 || conf.MaxRecords < 0 || conf.MaxBytes < 0 || conf.MaxVaults < 0:
		return errors.New("rate and burst are above zero, limits not below (zero is no limit)")
	case conf.Database != "" && !strings.HasPrefix(conf.Database, "postgres://") && !strings.HasPrefix(conf.Database, "postgresql://"):
		return errors.New("database: want postgres://USER@HOST[,HOST...]/NAME")
	}
	return nil
}

// dataFolder is where a server without configuration keeps its database: what
// systemd gives it, the system's place for root, else a folder of the user's.
func dataFolder(env []string) (string, error) {
	get := func(name string) string {
		for _, kv := range env {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v
			}
		}
		return ""
	}
	switch {
	case get("STATE_DIRECTORY") != "":
		return get("STATE_DIRECTORY"), nil
	case os.Geteuid() == 0 && get("HOME") == "" || os.Geteuid() == 0 && get("HOME") == "/root":
		return "/var/lib/ov-server", nil
	case get("XDG_DATA_HOME") != "":
		return filepath.Join(get("XDG_DATA_HOME"), "ov-server"), nil
	case get("HOME") != "":
		return filepath.Join(get("HOME"), ".local", "share", "ov-server"), nil
	}
	return "", hint(errors.New("no folder for the database"), "set --data, or HOME")
}

// makeFolder makes the data folder, for its owner alone.
func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if info.Mode().Perm()&fs.FileMode(0o022) != 0 {
		return hint(fmt.Errorf("data folder %s: others may write to it", dir), "chmod go-w %s", dir)
	}
	return nil
}

// version is that of the build.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

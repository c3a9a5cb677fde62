package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/depot/lite"
	"github.com/opaquevault/ov/core/blob/postgres"
	"github.com/opaquevault/ov/core/blob/server"
)

// depot opens the database.
func (conf *Config) depot(ctx context.Context) (depot.Depot, error) {
	if conf.Database != "" {
		return postgres.Open(ctx, conf.Database)
	}
	if err := makeFolder(conf.Data); err != nil {
		return nil, err
	}
	return lite.Open(ctx, conf.databaseFile())
}

func (conf *Config) databaseFile() string { return filepath.Join(conf.Data, "server.db") }

func (c *cli) logger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("log level %q: want debug, info, warn or error", level)
	}
	return slog.New(slog.NewJSONHandler(c.err, &slog.HandlerOptions{Level: l})), nil
}

// serve answers until ctx ends, then drains.
func (c *cli) serve(ctx context.Context) error {
	// 1. What to run.
	conf, err := c.config()
	if err != nil {
		return err
	}
	log, err := c.logger(conf.LogLevel)
	if err != nil {
		return err
	}
	how, err := conf.transport()
	if err != nil {
		return err
	}
	key, err := conf.ensureKey()
	if err != nil {
		return err
	}
	d, err := conf.depot(ctx)
	if err != nil {
		return err
	}
	defer d.Close()
	go reach(ctx, d, log)
	s, err := server.New(server.Config{
		Depot: d, Key: key, SealedOnly: how.sealed, Hosts: conf.Hosts, Closed: conf.Registration == "closed", MaxVaults: conf.MaxVaults,
		Limits: depot.Limits{Records: conf.MaxRecords, Bytes: conf.MaxBytes}, Rate: conf.Rate, Burst: conf.Burst,
		NoMetrics: conf.MetricsListen != "", Log: log, Version: version(),
	})
	if err != nil {
		return err
	}
	// 2. Listen.
	l, err := conf.listen(how)
	if err != nil {
		return err
	}
	web := newHTTP(s, log)
	failed := make(chan error, 2)
	go func() { failed <- web.Serve(l) }()
	if conf.MetricsListen != "" {
		stop, err := serveMetrics(s, conf.MetricsListen, log, failed)
		if err != nil {
			return err
		}
		defer stop()
	}
	go collect(ctx, d, log)
	c.welcome(&conf, how, l.Addr(), fingerprint(key.Public()))
	// 3. Until the end.
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return drain(s, web, &conf, log)
}

// reach says when the database cannot be reached at the start, and when it can.
// Until then requests get 503 and /readyz fails.
func reach(ctx context.Context, d depot.Depot, log *slog.Logger) {
	for first := true; ctx.Err() == nil; first = false {
		err := d.Ping(ctx)
		switch {
		case err == nil && !first:
			log.Info("database reached")
			fallthrough
		case err == nil:
			return
		case first:
			log.Error("database cannot be reached: 503 until it can", slog.String("cause", err.Error()))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// newHTTP bounds what a client can hold.
func newHTTP(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 90 * time.Second, WriteTimeout: 3 * time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), // mostly handshakes that strangers break off
	}
}

// serveMetrics serves the metrics, and what probes ask, without TLS.
func serveMetrics(s *server.Server, addr string, log *slog.Logger, failed chan<- error) (stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics: %w", err)
	}
	web := newHTTP(s.Watch(), log)
	go func() { failed <- web.Serve(l) }()
	return func() { web.Close() }, nil
}

// drain lets requests under way finish: /readyz fails first, so that a load
// balancer sends no more, then the listener closes.
func drain(s *server.Server, web *http.Server, conf *Config, log *slog.Logger) error {
	log.Info("draining", slog.Duration("delay", conf.DrainDelay), slog.Duration("timeout", conf.DrainTimeout))
	s.Drain()
	time.Sleep(conf.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), conf.DrainTimeout)
	defer cancel()
	if err := web.Shutdown(ctx); err != nil {
		return fmt.Errorf("drain: %w", errors.Join(err, web.Close()))
	}
	log.Info("stopped")
	return nil
}

// welcome says what runs and what to do next.
func (c *cli) welcome(conf *Config, how transport, addr net.Addr, fp string) {
	scheme, note := "https", "TLS 1.3, X25519MLKEM768 only"
	if how.tls == nil {
		scheme, note = "http", "plain HTTP on loopback: sealed requests only"
	}
	where := conf.databaseFile()
	if conf.Database != "" {
		where = "PostgreSQL"
	}
	fmt.Fprintf(c.out, `ov-server %s
  address   %s://%s (%s)
  database  %s
  key       %s (%s)
`, version(), scheme, addr, note, where, fp, conf.Key)
	if how.tls == nil {
		fmt.Fprintf(c.out, `
Next, on this machine:
  ov vault init --server http://%s
For other machines: give it a certificate (--tls-cert, --tls-key), or put a proxy before it.
`, addr)
		return
	}
	fmt.Fprintf(c.out, "\nNext: ov vault init --server https://NAME, where NAME is one of the certificate's.\n")
}

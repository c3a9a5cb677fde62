package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/opaquevault/ov/core/channel"
)

// transport says how a listener is spoken to.
type transport struct {
	tls    *tls.Config // nil: plain HTTP on loopback
	sealed bool        // sealed requests only
}

// transport decides it. Plain HTTP is for loopback, where a proxy, or ov on the
// same machine, speaks to the server; bodies are sealed then.
func (conf *Config) transport() (transport, error) {
	if conf.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(conf.TLSCert, conf.TLSKey)
		if err != nil {
			return transport{}, fmt.Errorf("load certificate: %w", err)
		}
		return transport{tls: channel.ServerTLS(cert)}, nil
	}
	if !loopback(conf.Listen) {
		return transport{}, hint(fmt.Errorf("listen on %s: plain HTTP is for loopback only", conf.Listen),
			"give it a certificate (--tls-cert, --tls-key), or listen on 127.0.0.1 behind a proxy")
	}
	return transport{sealed: true}, nil
}

func loopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// listen opens the listener. What it got must be loopback too, if it has to be.
func (conf *Config) listen(t transport) (net.Listener, error) {
	l, err := net.Listen("tcp", conf.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if t.tls != nil {
		return tls.NewListener(l, t.tls), nil
	}
	if !loopback(l.Addr().String()) {
		return nil, errors.Join(fmt.Errorf("listen on %s: not loopback", l.Addr()), l.Close())
	}
	return l, nil
}

package channel

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// ErrHybrid says that one side lacks the hybrid key exchange.
var ErrHybrid = errors.New("no post-quantum key exchange in common")

// ServerTLS returns the configuration of a listener: TLS 1.3 with
// X25519MLKEM768 and nothing else.
func ServerTLS(cert tls.Certificate) *tls.Config {
	c := hybrid()
	c.Certificates = []tls.Certificate{cert}
	c.NextProtos = []string{"h2", "http/1.1"}
	return c
}

// ClientTLS returns the configuration of a client that offers nothing but what
// ServerTLS takes. With roots nil the system's are used.
func ClientTLS(roots *x509.CertPool) *tls.Config {
	c := hybrid()
	c.RootCAs = roots
	return c
}

func hybrid() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768}}
}

// ExplainTLS tells a client which side lacks the hybrid group, or speaks an
// older TLS, where the error of a handshake says so.
func ExplainTLS(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "handshake failure"), strings.Contains(text, "selected unsupported group"),
		strings.Contains(text, "selected unadvertised"):
		return fmt.Errorf("%w: the server, or a proxy before it, lacks X25519MLKEM768: %w", ErrHybrid, err)
	case strings.Contains(text, "protocol version"), strings.Contains(text, "unsupported protocol"):
		return fmt.Errorf("%w: the server, or a proxy before it, lacks TLS 1.3: %w", ErrHybrid, err)
	}
	return err
}

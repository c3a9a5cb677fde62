package channel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// certificate is one for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.TLS.Certificates[0], pool
}

// handshake connects a client to a server and returns what each says.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.(*tls.Conn).HandshakeContext(context.Background()) // the client tells how it went
	}()
	conn, err := (&tls.Dialer{Config: client}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// 14: who does not speak TLS 1.3 with the hybrid group gets no connection, from
// either side, and the client says which side it is.
func TestAttack14TLS(t *testing.T) {
	cert, pool := certificate(t)
	server := ServerTLS(cert)
	state, err := handshake(t, server, ClientTLS(pool))
	if err != nil || state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 {
		t.Fatalf("%x, %v, %v", state.Version, state.CurveID, err)
	}
	edit := func(c *tls.Config, f func(*tls.Config)) *tls.Config {
		c = c.Clone()
		f(c)
		return c
	}
	classical := func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} }
	others := func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024} }
	tls12 := func(c *tls.Config) {
		c.MinVersion, c.MaxVersion, c.CurvePreferences = tls.VersionTLS12, tls.VersionTLS12, nil
	}
	for what, c := range map[string]struct {
		server, client *tls.Config
		tells          string // what a client of ours says of it
	}{
		"client with X25519 alone":         {server, edit(ClientTLS(pool), classical), ""},
		"client with other hybrid groups":  {server, edit(ClientTLS(pool), others), ""},
		"client with TLS 1.2":              {server, edit(ClientTLS(pool), tls12), ""},
		"server with X25519 alone":         {edit(server, classical), ClientTLS(pool), "lacks X25519MLKEM768"},
		"server with TLS 1.2":              {edit(server, tls12), ClientTLS(pool), "lacks TLS 1.3"},
		"a certificate that nobody trusts": {server, ClientTLS(x509.NewCertPool()), "unknown authority"},
	} {
		_, err := handshake(t, c.server, c.client)
		if err == nil {
			t.Errorf("%s: connected", what)
			continue
		}
		told := ExplainTLS(err)
		if !strings.Contains(told.Error(), c.tells) || errors.Is(told, ErrHybrid) != strings.Contains(c.tells, "lacks") && c.tells != "" {
			t.Errorf("%s: %v", what, told)
		}
		fmt.Printf("attack 14: %s: %v\n", what, told)
	}
	if ExplainTLS(nil) != nil {
		t.Error("nil")
	}
}

// Package httpblob is a blob.Store on the other side of a network: an
// ov-server. Every request is signed; with a pinned server key every request
// and answer is sealed to it as well, so that a proxy sees neither.
//
//	httpblob.go  where the server is and who asks
//	client.go    one request and its answer; silence.go how long that may take
//	store.go     blob.Store: reads
//	commit.go    blob.Store: commits, in parts when they are large
//	mail.go      requests of new devices; witness.go audit checkpoints
//	errors.go    what an answer means
package httpblob

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/channel"
)

// A Signer signs for a device, a password or a machine; the key stays with it.
type Signer = channel.Signer

// Options say where a vault is and who asks for it.
type Options struct {
	URL       string         // https://HOST[:PORT], or http:// on loopback with a pinned key
	Vault     [16]byte       // which vault
	Locator   [16]byte       // stored with the first commit, so that a recovery kit finds the vault
	Signer    Signer         // who asks
	ServerKey []byte         // the server's pinned key; nil: requests are not sealed
	RootCAs   *x509.CertPool // nil: the system's
	HTTP      *http.Client   // nil: one of our own; for tests
	Silence   time.Duration  // 0: Silence
}

// A Store is a blob.Store on a server.
type Store struct {
	o      Options
	base   *url.URL
	pinned *channel.ServerKey // nil: not pinned
	http   *http.Client
	now    func() time.Time
}

// New returns the store of o. Nothing is sent yet.
func New(o Options) (*Store, error) {
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("server address: %w", err)
	}
	if base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" || strings.Trim(base.Path, "/") != "" {
		return nil, fmt.Errorf("server address %q: want https://HOST[:PORT]", base.Redacted())
	}
	base.Path = ""
	if o.Silence == 0 {
		o.Silence = Silence
	}
	s := &Store{o: o, base: base, http: o.HTTP, now: time.Now}
	if o.ServerKey != nil {
		if s.pinned, err = channel.ParseServerKey(o.ServerKey); err != nil {
			return nil, fmt.Errorf("pinned key of %s: %w", base.Host, err)
		}
	}
	switch {
	case base.Scheme == "https":
	case base.Scheme == "http" && loopback(base.Hostname()):
	case base.Scheme == "http":
		return nil, fmt.Errorf("server address %q: plain HTTP is for loopback only", o.URL)
	default:
		return nil, fmt.Errorf("server address %q: want https://HOST[:PORT]", o.URL)
	}
	if s.http == nil {
		s.http = newClient(&o, s.pinned != nil)
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// newClient returns a client that speaks TLS 1.3: with the hybrid group alone,
// unless every body is sealed by itself and TLS may be a proxy's.
//
// Requests of HTTP/2 share a connection, and one that is dead would fail them
// all: it is tried as soon as it is silent.
func newClient(o *Options, sealed bool) *http.Client {
	conf := channel.ClientTLS(o.RootCAs)
	if sealed {
		conf.CurvePreferences = nil
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:     conf,
			TLSHandshakeTimeout: 10 * time.Second,
			IdleConnTimeout:     90 * time.Second,
			MaxIdleConnsPerHost: 16,
			ForceAttemptHTTP2:   true,
			HTTP2:               &http.HTTP2Config{SendPingTimeout: o.Silence / 4, PingTimeout: o.Silence / 4},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the server redirects: refused") },
	}
}

// Close implements blob.Store.
func (s *Store) Close() error {
	s.http.CloseIdleConnections()
	return nil
}

// ServerKey asks the server for its public key, to be pinned.
func (s *Store) ServerKey(ctx context.Context) ([]byte, error) {
	key, err := s.fetchKey(ctx)
	if err != nil {
		return nil, fmt.Errorf("read key of %s: %w", s.base.Host, err)
	}
	if _, err := channel.ParseServerKey(key); err != nil {
		return nil, fmt.Errorf("read key of %s: %w", s.base.Host, err)
	}
	return key, nil
}

// Locate asks a server for the vault that o.Locator belongs to. It is
// blob.ErrNotFound when the server knows none.
func Locate(ctx context.Context, o Options) ([16]byte, error) {
	s, err := New(o)
	if err != nil {
		return [16]byte{}, err
	}
	defer s.Close()
	return s.locate(ctx)
}

package httpblob_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/blobtest"
	"github.com/opaquevault/ov/core/blob/depot/depottest"
	"github.com/opaquevault/ov/core/blob/httpblob"
	"github.com/opaquevault/ov/core/blob/server"
	"github.com/opaquevault/ov/core/blob/server/faulttest"
	"github.com/opaquevault/ov/core/blob/server/servertest"
)

const silence = time.Second

// open returns a client of a vault with one large record, behind a link of its own.
func open(t *testing.T, rig *servertest.Rig) (*httpblob.Store, *faulttest.Link, blob.Record) {
	t.Helper()
	link := faulttest.NewLink(t, rig.HTTP.Listener.Addr().String(), 1)
	id, dev := depottest.NewVault(), servertest.NewDevice()
	o := rig.Options(id, dev)
	o.URL, o.Silence = link.URL(), silence
	st := servertest.Open(t, o)
	large := blobtest.Record(1, 1)
	large.Data = make([]byte, 3<<20) // more than the sockets on the way hold
	if err := servertest.NewSigned(st, id, dev).Commit(t.Context(), blobtest.Commit(1, large)); err != nil {
		t.Fatal(err)
	}
	return st, link, large
}

// A server that falls silent, at whatever point of a request, is one that cannot
// be reached, after the silence and one more try.
func TestSilence(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	head := func(t *testing.T, st *httpblob.Store, _ blob.Record) error {
		_, err := st.Head(t.Context())
		return err
	}
	for what, c := range map[string]struct {
		weather faulttest.Weather
		ask     func(*testing.T, *httpblob.Store, blob.Record) error
	}{
		"no answer":      {faulttest.Weather{Stalled: [2]bool{faulttest.Down: true}}, head},
		"nobody hears":   {faulttest.Weather{Stalled: [2]bool{faulttest.Up: true}}, head},
		"nothing at all": {faulttest.Partition(), head},
		"a large commit": {faulttest.Partition(), func(t *testing.T, st *httpblob.Store, large blob.Record) error {
			large.ID[0]++
			return st.Commit(t.Context(), blob.Commit{Base: 1, Seq: 2, Manifest: []byte{1}, Put: []blob.Record{large}})
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			st, link, large := open(t, rig)
			link.Set(c.weather)
			begin := time.Now()
			err := c.ask(t, st, large)
			if took := time.Since(begin); !errors.Is(err, httpblob.ErrOffline) || took < silence || took > 20*silence {
				t.Errorf("%v after %s", err, took)
			}
			link.Set(faulttest.Weather{})
			if _, err := st.Head(t.Context()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// Half an answer and then nothing is no answer; one that is slow and moves is
// waited for.
func TestSlowAnswer(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	st, link, large := open(t, rig)
	done := make(chan error, 1)
	link.Set(faulttest.Weather{Piece: 4 << 10, Delay: 2 * time.Millisecond})
	from := link.Stats().Pieces
	go func() {
		_, err := st.Get(t.Context(), []blob.Key{large.Key})
		done <- err
	}()
	for link.Stats().Pieces < from+20 {
		time.Sleep(time.Millisecond)
	}
	link.Set(faulttest.Partition())
	if err := <-done; !errors.Is(err, httpblob.ErrOffline) {
		t.Errorf("half an answer: %v", err)
	}
	const piece = 64 << 10
	link.Set(faulttest.Weather{Piece: piece, Delay: 2 * silence / (3 << 20 / piece)})
	begin := time.Now()
	if got, err := st.Get(t.Context(), []blob.Key{large.Key}); err != nil || len(got) != 1 || time.Since(begin) < silence*3/2 {
		t.Errorf("a slow answer: %d, %v, %s", len(got), err, time.Since(begin))
	}
}

// A connection that somebody on the way forgot is found dead and replaced, over
// HTTP/1.1 and HTTP/2, and the request on it sent again.
func TestForgottenConnection(t *testing.T) {
	rig := servertest.Start(t, server.Config{})
	for _, proto := range []string{"http/1.1", "h2"} {
		front := httptest.NewUnstartedServer(rig.Server)
		front.EnableHTTP2 = proto == "h2"
		front.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
		front.StartTLS()
		t.Cleanup(front.Close)
		link := faulttest.NewLink(t, front.Listener.Addr().String(), 1)
		id, dev := depottest.NewVault(), servertest.NewDevice()
		o := rig.Options(id, dev)
		o.URL, o.Silence, o.RootCAs = "https://"+link.Addr(), 2*silence, x509.NewCertPool()
		o.RootCAs.AddCert(front.Certificate())
		st := servertest.Open(t, o)
		s := servertest.NewSigned(st, id, dev)
		if err := s.Commit(t.Context(), blobtest.Commit(1, blobtest.Record(1, 1))); err != nil {
			t.Fatal(err)
		}
		link.Freeze()
		if err := s.Commit(t.Context(), blobtest.Commit(2, blobtest.Record(2, 1))); err != nil {
			t.Errorf("%s: %v", proto, err)
		}
		blobtest.Check(t, s, 2, blobtest.Record(1, 1), blobtest.Record(2, 1))
		if n := link.Stats().Connections; n < 2 {
			t.Errorf("%s: %d connections", proto, n)
		}
	}
}

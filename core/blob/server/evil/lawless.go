package evil

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/depot"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
	"github.com/opaquevault/ov/core/manifest"
)

// lawless is a server without the checks of the real one, which refuses to hand
// out what does not verify. It shows an image to whoever asks, takes every commit
// for made, and leaves the rest to the real one.
type lawless struct {
	real http.Handler
	key  *channel.PrivateKey

	mu  sync.Mutex
	img *depot.Image // nil: the real one answers all
}

// Show has the server answer from an image, whatever is wrong with it; nil makes
// it honest.
func (r *Rig) Show(img *depot.Image) {
	r.lawless.mu.Lock()
	defer r.lawless.mu.Unlock()
	r.lawless.img = img
}

// ServeHTTP implements http.Handler.
func (l *lawless) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	img := l.img
	l.mu.Unlock()
	if img == nil || r.URL.Path != wire.PathSealed {
		l.real.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	plain, exchange, err := l.key.Open(body)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	m, err := channel.ParseMessage(plain)
	if err != nil {
		http.Error(w, "", http.StatusBadRequest)
		return
	}
	sealed, err := exchange.Seal(answer(img, m).Encode())
	if err == nil {
		w.Header().Set("Content-Type", wire.TypeSealed)
		_, _ = w.Write(sealed)
	}
}

// answer is what is said to a request.
func answer(img *depot.Image, m *channel.Message) *channel.Message {
	none := &channel.Message{Status: http.StatusNotFound, Body: []byte(`{"code":"` + wire.CodeNotFound + `"}`)}
	ok := func(body []byte, fields ...channel.Field) *channel.Message {
		return &channel.Message{Status: http.StatusOK, Body: body, Fields: fields}
	}
	_, what, found := strings.Cut(strings.TrimPrefix(m.Path, wire.PathVaults), "/")
	if !found {
		return none
	}
	what, rest, _ := strings.Cut(what, "/")
	switch what {
	case "head":
		if body := manifestOf(img, img.Head.Seq); body != nil {
			return ok(body, channel.Field{Name: "Etag", Value: fmt.Sprintf(`"%d-%x"`, img.Head.Seq, img.Head.Chain[:4])})
		}
	case "manifests":
		seq, _ := strconv.ParseUint(rest, 10, 64) // else there is none
		if body := manifestOf(img, seq); body != nil {
			return ok(body)
		}
	case "changes":
		since, _ := strconv.ParseUint(strings.TrimPrefix(m.Query, "since="), 10, 64)
		return ok(wire.EncodeEntries(entriesOf(img, since, whoAsks(img, m))))
	case "records":
		keys, err := wire.ParseKeys(m.Body)
		if err != nil {
			return none
		}
		var recs []blob.Record
		for _, k := range keys {
			i := slices.IndexFunc(img.Records, func(r depot.Stored) bool { return r.Key == k })
			if i < 0 {
				return none
			}
			recs = append(recs, img.Records[i].Record)
		}
		return ok(wire.EncodeRecords(recs))
	case "commits":
		return ok([]byte(`{"seq":1}`))
	}
	return none
}

func manifestOf(img *depot.Image, seq uint64) []byte {
	for _, m := range img.Manifests {
		if m.Seq == seq {
			return m.Body
		}
	}
	return nil
}

// whoAsks is the member or machine that asks, by its record; nil for a device.
func whoAsks(img *depot.Image, m *channel.Message) *manifest.Principal {
	sig, err := channel.ParseSignature(m.Field("Authorization"))
	if err != nil || sig.Key.Role != channel.RolePrincipal {
		return nil
	}
	for _, r := range img.Records {
		if r.Kind == manifest.KindPrincipal && r.ID == sig.Key.ID {
			if p, err := manifest.ParsePrincipal(r.Data); err == nil {
				return p
			}
		}
	}
	return &manifest.Principal{}
}

// entriesOf lists what came after a commit, of one's own environments if one is no device.
func entriesOf(img *depot.Image, since uint64, who *manifest.Principal) (out []blob.Entry) {
	for _, r := range img.Records {
		if r.Seq > since && (who == nil || who.Reads(r.Group) || r.Kind == manifest.KindPrincipal && r.ID == who.ID()) {
			out = append(out, blob.Entry{Key: r.Key, Group: r.Group, Sum: r.Sum, Seq: r.Seq})
		}
	}
	return out
}

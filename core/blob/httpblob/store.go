package httpblob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/blob/wire"
	"github.com/opaquevault/ov/core/channel"
)

var _ blob.Store = (*Store)(nil)

// path returns the path of something of the vault.
func (s *Store) path(parts ...string) string {
	return wire.PathVaults + hex.EncodeToString(s.o.Vault[:]) + "/" + strings.Join(parts, "/")
}

// fail says what was asked of which server.
func (s *Store) fail(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", verb, s.base.Host, err)
}

// get asks for something that the vault has.
func (s *Store) get(ctx context.Context, path, query string) (*answer, error) {
	return s.again(ctx, call{method: http.MethodGet, path: path, query: query})
}

// Head implements blob.Store.
func (s *Store) Head(ctx context.Context) (blob.Head, error) {
	a, err := s.get(ctx, s.path("head"), "")
	if err != nil {
		return blob.Head{}, s.fail("read head from", err)
	}
	return s.head(a)
}

// A HeadTag is what a server calls a head that it has shown.
type HeadTag string

// HeadSince returns the head unless it is the one of tag; changed says which.
// It is how "is there anything new?" costs one small answer.
func (s *Store) HeadSince(ctx context.Context, tag HeadTag) (h blob.Head, next HeadTag, changed bool, err error) {
	a, err := s.again(ctx, call{method: http.MethodGet, path: s.path("head"), etag: string(tag)})
	if err != nil {
		return h, tag, false, s.fail("read head from", err)
	}
	if a.status == http.StatusNotModified {
		return h, tag, false, nil
	}
	h, err = s.head(a)
	return h, HeadTag(a.etag), true, err
}

// head reads an answer whose tag begins with the number and whose body is the manifest.
func (s *Store) head(a *answer) (blob.Head, error) {
	number, _, _ := strings.Cut(strings.Trim(a.etag, `"`), "-")
	seq, err := strconv.ParseUint(number, 10, 64)
	if err != nil || seq == 0 || len(a.body) == 0 {
		return blob.Head{}, s.fail("read head from", ErrServer)
	}
	return blob.Head{Seq: seq, Manifest: a.body}, nil
}

// Changes implements blob.Store.
func (s *Store) Changes(ctx context.Context, since uint64) ([]blob.Entry, error) {
	a, err := s.get(ctx, s.path("changes"), "since="+strconv.FormatUint(since, 10))
	if errors.Is(err, blob.ErrEmpty) {
		return nil, nil
	} else if err != nil {
		return nil, s.fail("list changes of", err)
	}
	entries, err := wire.ParseEntries(a.body)
	return entries, s.fail("list changes of", err)
}

// getAtOnce is how many reads of one Get are under way together.
const getAtOnce = 4

// Get implements blob.Store. Many keys are asked for in several requests.
func (s *Store) Get(ctx context.Context, keys []blob.Key) ([]blob.Record, error) {
	out := make([]blob.Record, len(keys))
	var wg sync.WaitGroup
	slots := make(chan struct{}, getAtOnce)
	var mu sync.Mutex
	var first error
	for at := 0; at < len(keys); at += wire.MaxKeys {
		end := min(at+wire.MaxKeys, len(keys))
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := s.getSome(ctx, out[at:end], keys[at:end]); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if first == nil {
					first = err
				}
			}
		})
	}
	wg.Wait()
	if first != nil {
		return nil, s.fail("get records from", first)
	}
	return out, nil
}

// getSome fills out with the records of keys. The server may give fewer than
// were asked for when they are large: the rest is asked for again.
func (s *Store) getSome(ctx context.Context, out []blob.Record, keys []blob.Key) error {
	for len(keys) > 0 {
		a, err := s.again(ctx, call{method: http.MethodPost, path: s.path("records"), body: wire.EncodeKeys(keys)})
		if errors.Is(err, blob.ErrEmpty) {
			return blob.ErrNotFound
		} else if err != nil {
			return err
		}
		recs, err := wire.ParseRecords(a.body)
		if err != nil {
			return err
		}
		if len(recs) == 0 || len(recs) > len(keys) {
			return fmt.Errorf("%w: %d records for %d keys", ErrServer, len(recs), len(keys))
		}
		for i := range recs {
			if recs[i].Key != keys[i] {
				return fmt.Errorf("%w: another record than was asked for", ErrServer)
			}
			recs[i].Data = append([]byte{}, recs[i].Data...) // not the whole answer with it
		}
		copy(out, recs)
		out, keys = out[len(recs):], keys[len(recs):]
	}
	return nil
}

// Manifest implements blob.Store.
func (s *Store) Manifest(ctx context.Context, seq uint64) ([]byte, error) {
	a, err := s.get(ctx, s.path("manifests", strconv.FormatUint(seq, 10)), "")
	if errors.Is(err, blob.ErrEmpty) {
		err = blob.ErrNotFound
	}
	if err != nil {
		return nil, s.fail(fmt.Sprintf("read manifest %d from", seq), err)
	}
	return a.body, nil
}

// fetchKey reads the server's key: not signed, not sealed.
func (s *Store) fetchKey(ctx context.Context) ([]byte, error) {
	open := *s
	open.pinned = nil
	a, err := open.again(ctx, call{method: http.MethodGet, path: wire.PathKey, unsigned: true})
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

func (s *Store) locate(ctx context.Context) (id [16]byte, err error) {
	c := call{method: http.MethodGet, path: wire.PathLocate + hex.EncodeToString(s.o.Locator[:]), unsigned: true}
	a, err := s.again(ctx, c)
	if err != nil {
		return id, s.fail("find vault on", err)
	}
	b, err := hex.DecodeString(string(a.body))
	if err != nil || len(b) != len(id) {
		return id, s.fail("find vault on", ErrServer)
	}
	return [16]byte(b), nil
}

// Key returns the key that signs for s.
func (s *Store) Key() channel.KeyID { return s.o.Signer.Key() }

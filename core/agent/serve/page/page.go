// Package page asks a person one question in a browser: on 127.0.0.1, at an
// address that nobody can guess, for three minutes, without a script. Whoever
// asks for a page learns its address and a code that stands on it as well, so
// that a person can tell this page from another one; the answer goes nowhere
// but to the Question's Submit.
package page

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// Limits of pages.
const (
	lifeTime   = 3 * time.Minute
	maxOpen    = 16
	nonceBytes = 18           // 144 bits
	maxBody    = 3 * 64 << 10 // of a form: a value of 64 KiB, percent-encoded, would be thrice as long
)

// Errors of questions.
var (
	ErrTimeout = errors.New("nobody answered in time")
	ErrRefused = errors.New("the person refused")
	ErrBusy    = errors.New("too many pages are open")
)

// A Question is what a page shows and what becomes of the answer.
type Question struct {
	Title  string
	Lines  []string // what is asked for; plain text
	Value  string   // label of a field for a value; empty: none
	NoPass bool     // the master password is not asked for
	Button string
	// Submit takes the answer and wipes it afterwards. A Retry error is shown on
	// the page, which then asks again; any other ends it.
	Submit func(ctx context.Context, a Answer) error
	Done   string // is shown after Submit
	Refuse func() // when the person refused; may be nil
}

// An Answer is what the person typed.
type Answer struct{ Password, Value secret.Value }

// Wipe zeroes both.
func (a Answer) Wipe() { a.Password.Wipe(); a.Value.Wipe() }

// Retry is an error after which the person may try again.
type Retry struct{ Err error }

// Error returns what the page shows.
func (r Retry) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r Retry) Unwrap() error { return r.Err }

// A Page is one question being asked.
type Page struct {
	URL  string
	Code string // six digits, on the page as well

	q    Question
	busy sync.Mutex // one answer at a time
	end  chan struct{}
	once sync.Once
	err  error
}

// Wait returns when the question is answered, refused or too old.
func (p *Page) Wait(ctx context.Context) error {
	select {
	case <-p.end:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Page) finish(err error) {
	p.once.Do(func() {
		p.err = err
		close(p.end)
	})
}

// A Desk serves pages. It listens while there are any, and not before.
type Desk struct {
	mu     sync.Mutex
	open   map[string]*Page // by nonce
	server *http.Server
	host   string
}

// Ask puts up a page for q.
func (d *Desk) Ask(q Question) (*Page, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.open) >= maxOpen {
		return nil, ErrBusy
	}
	if d.server == nil {
		if err := d.listen(); err != nil {
			return nil, fmt.Errorf("listen for the browser: %w", err)
		}
	}
	raw := make([]byte, nonceBytes)
	rand.Read(raw)
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return nil, err
	}
	nonce := base64.RawURLEncoding.EncodeToString(raw)
	p := &Page{URL: "http://" + d.host + "/" + nonce, Code: fmt.Sprintf("%06d", n), q: q, end: make(chan struct{})}
	if d.open == nil {
		d.open = map[string]*Page{}
	}
	d.open[nonce] = p
	timer := time.AfterFunc(lifeTime, func() { p.finish(ErrTimeout) })
	go func() {
		<-p.end
		timer.Stop()
		d.remove(nonce)
	}()
	return p, nil
}

// listen starts the server. The caller holds the lock.
func (d *Desk) listen() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	d.host = l.Addr().String()
	d.server = &http.Server{
		Handler:           http.HandlerFunc(d.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       20 * time.Second,
		WriteTimeout:      60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          nil,
	}
	d.server.SetKeepAlivesEnabled(false)
	go d.server.Serve(l)
	return nil
}

// remove takes a page down, and the server with the last one.
func (d *Desk) remove(nonce string) {
	d.mu.Lock()
	delete(d.open, nonce)
	var last *http.Server
	if len(d.open) == 0 {
		last, d.server = d.server, nil
	}
	d.mu.Unlock()
	if last != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // the last answer is on its way
		defer cancel()
		last.Shutdown(ctx)
	}
}

// Close takes all pages down.
func (d *Desk) Close() {
	d.mu.Lock()
	pages := make([]*Page, 0, len(d.open))
	for _, p := range d.open {
		pages = append(pages, p)
	}
	d.mu.Unlock()
	for _, p := range pages {
		p.finish(ErrTimeout)
	}
}

// find returns the page at path, if it is still open.
func (d *Desk) find(path string) *Page {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(path) < 2 {
		return nil
	}
	return d.open[path[1:]]
}

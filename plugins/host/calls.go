package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/opaquevault/ov/core/secret"
	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/wire"
)

// maxMessage is how much of a provider's own words reach a person, in bytes.
const maxMessage = 512

// An Item is a value on its way into the vault.
type Item struct {
	Ref         string
	Value       secret.Value
	Binary      bool
	Version     string
	ChangeToken string
	Err         error // then nothing else but Ref is set
}

// Configure hands over settings and learns whose secrets these are.
func (p *Provider) Configure(ctx context.Context, settings map[string]string) (provider.Account, error) {
	r, err := p.wire.Configure(ctx, &wire.ConfigureRequest{Settings: settings})
	if err != nil {
		return provider.Account{}, fmt.Errorf("configure provider %q: %w", p.info.Name, p.fault(err))
	}
	return provider.Account{Name: p.clean(r.GetAccount()), Door: p.clean(r.GetDoor()), Notes: r.GetNotes(),
		Cost: provider.Cost{SignIn: number(r.GetCost().GetSignIn()), List: number(r.GetCost().GetList()), Read: number(r.GetCost().GetRead())}}, nil
}

// number is n, or nothing where it makes no sense.
func number(n uint32) int {
	if n > 1<<20 {
		return 0
	}
	return int(n)
}

// List yields metadata. It ends at the first error that it yields.
func (p *Provider) List(ctx context.Context, q provider.Query) iter.Seq2[provider.Entry, error] {
	return func(yield func(provider.Entry, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		in, err := p.wire.List(ctx, &wire.ListRequest{Path: q.Path, Tags: q.Tags})
		for err == nil {
			var r *wire.ListResponse
			if r, err = in.Recv(); err != nil {
				break
			}
			if e := wire.ToEntry(r); len(e.Ref) > provider.MaxRef {
				err = provider.Errorf(provider.Invalid, "a reference of %d bytes, at most %d", len(e.Ref), provider.MaxRef)
			} else if !yield(e, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(provider.Entry{}, fmt.Errorf("list %q: %w", p.info.Name, p.fault(err)))
		}
	}
}

// Fetch reads the values of refs and yields each once, in any order. It ends
// early when the caller stops, and with an error item for each reference that
// the provider left unanswered when its process failed.
func (p *Provider) Fetch(ctx context.Context, refs []string) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		open := make(map[string]bool, len(refs))
		for _, r := range refs {
			open[r] = true
		}
		err := p.exchange(ctx, refs, func(r provider.Result) bool {
			if !open[r.Ref] {
				clear(r.Item.Value) // not asked for, or twice: not ours to keep
				return true
			}
			delete(open, r.Ref)
			return yield(p.item(r))
		})
		if err == errStopped {
			return
		}
		for _, r := range refs {
			if open[r] && !yield(Item{Ref: r, Err: err}) {
				return
			}
		}
	}
}

var errStopped = errors.New("caller stopped")

// exchange runs one Fetch stream. When the provider ends it early the error
// says so.
func (p *Provider) exchange(ctx context.Context, refs []string, take func(provider.Result) bool) error {
	s, err := p.wire.Fetch(ctx)
	if err != nil {
		return p.fault(err)
	}
	go func() {
		for _, r := range refs {
			if s.Send(&wire.FetchRequest{Ref: r}) != nil {
				return // Recv says why
			}
		}
		s.CloseSend()
	}()
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return provider.Errorf(provider.Invalid, "the provider gave no answer")
		}
		if err != nil {
			return p.fault(err)
		}
		if !take(wire.ToResult(r)) {
			return errStopped
		}
	}
}

// item checks what came and registers the value before anything that the
// provider wrote may be shown.
func (p *Provider) item(r provider.Result) Item {
	i := Item{Ref: r.Ref, Err: r.Err, Binary: r.Item.Binary, Version: r.Item.Version, ChangeToken: r.Item.ChangeToken}
	if i.Err != nil {
		i.Err = p.fault(i.Err)
		return i
	}
	if n := len(r.Item.Value); n > provider.MaxValue {
		i.Err = provider.Errorf(provider.TooLarge, "%d bytes, at most %d", n, provider.MaxValue)
		return i
	}
	i.Binary = i.Binary || !utf8.Valid(r.Item.Value)
	i.Value = secret.New(r.Item.Value)
	p.seen.add(i.Value)
	return i
}

// fault turns what a call returned into an error whose text may be shown: the
// provider's own words are cut, masked and stripped of control characters.
func (p *Provider) fault(err error) error {
	var e *provider.Error
	if !errors.As(err, &e) {
		e, _ = errors.AsType[*provider.Error](wire.FromStatus(err))
	}
	return &provider.Error{Code: e.Code, Message: p.clean(e.Message), RetryAfter: e.RetryAfter}
}

func (p *Provider) clean(s string) string {
	s = p.seen.mask(s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// Said returns the end of what the provider wrote to its standard error,
// masked. It is for the moment when something went wrong.
func (p *Provider) Said() string { return p.seen.mask(p.stderr.text()) }

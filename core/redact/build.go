package redact

import (
	"errors"
	"slices"
	"sync"

	"github.com/opaquevault/ov/core/crash"
)

// A Build is a Set in the making. Its needles are taken: what is masked by its
// Set has them all, or there is no Set. So a child may start before the Set is
// there; what it prints waits.
type Build struct {
	needles []Needle
	options Options
	once    sync.Once
	done    chan struct{} // closed when set and err are there
	set     *Set
	err     error
}

// ErrCancelled is what Set returns after a Cancel that came before it began.
var ErrCancelled = errors.New("build of the needles was cancelled")

// atOnce is up to how many bytes of values their forms cannot be too many.
const atOnce = 64 << 10

// Begin takes needles, whose values must stay as they are until Done. A needle or
// an option that Compile would refuse is refused here and now, and so are needles
// that are too many: then there is no Build. What can fail later is a fault of the
// scanners, or ours, and Set tells it.
func Begin(needles []Needle, o Options) (*Build, error) {
	if err := check(needles, o); err != nil {
		return nil, err
	}
	b := &Build{needles: slices.Clone(needles), options: o, done: make(chan struct{})}
	if size(needles) > atOnce {
		if _, err := b.Set(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Start has the set built on goroutines of its own, now. Once is enough.
func (b *Build) Start() { b.once.Do(func() { go b.compile() }) }

func (b *Build) compile() {
	defer close(b.done)
	defer crash.Recover(&b.err)
	b.set, b.err = Compile(b.needles, b.options)
}

// Set starts the build, if need be, and waits for it. With an error there is no set.
func (b *Build) Set() (*Set, error) {
	b.Start()
	<-b.done
	if b.err != nil {
		return nil, b.err
	}
	return b.set, nil
}

// Cancel keeps a build that has not started from doing so. One that has goes on.
func (b *Build) Cancel() {
	b.once.Do(func() {
		b.err = ErrCancelled
		close(b.done)
	})
}

// Done is closed when the values are not read any more, and Set does not wait.
func (b *Build) Done() <-chan struct{} { return b.done }

func size(needles []Needle) (n int) {
	for _, each := range needles {
		n += each.Value.Len()
	}
	return n
}

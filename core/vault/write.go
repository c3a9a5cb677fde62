package vault

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opaquevault/ov/core/blob"
	"github.com/opaquevault/ov/core/manifest"
)

// maxBatch is how many waiting writes one commit takes.
const maxBatch = 256

// A queue holds the writes that wait for the commit under way. Whoever finds
// it idle leads: one signature and one sync then serve all that wait.
type queue struct {
	mu      sync.Mutex
	waiting []*write
	busy    bool
}

// A write is one caller's change. run may be called again when another process
// was faster; it adds to the tx only once nothing can fail any more.
type write struct {
	run  func(*tx) error
	err  error
	done chan struct{}
}

// write runs change in the next commit and returns when that is durable. It is
// for devices.
func (v *Vault) write(ctx context.Context, change func(*tx) error) error {
	if err := v.deviceOnly(); err != nil {
		return err
	}
	return v.enqueue(ctx, change)
}

// writeSecrets is write for what a member who writes may do as well: nothing but
// put versions of secrets.
func (v *Vault) writeSecrets(ctx context.Context, change func(*tx) error) error {
	if !v.CanWrite() {
		return ErrReadOnly
	}
	return v.enqueue(ctx, change)
}

func (v *Vault) enqueue(ctx context.Context, change func(*tx) error) error {
	w := &write{run: change, done: make(chan struct{})}
	v.queue.mu.Lock()
	v.queue.waiting = append(v.queue.waiting, w)
	lead := !v.queue.busy
	v.queue.busy = true
	v.queue.mu.Unlock()
	if lead {
		v.lead(context.WithoutCancel(ctx))
	}
	<-w.done
	return w.err
}

// lead commits one batch, and hands over to a goroutine of its own when more
// wait by then.
func (v *Vault) lead(ctx context.Context) {
	batch := v.queue.take()
	v.commitBatch(ctx, batch)
	for _, w := range batch {
		close(w.done)
	}
	v.queue.mu.Lock()
	defer v.queue.mu.Unlock()
	if len(v.queue.waiting) == 0 {
		v.queue.busy = false
		return
	}
	go v.lead(ctx)
}

func (q *queue) take() []*write {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), maxBatch)
	batch := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return batch
}

// commitBatch makes one commit of the batch's changes and sets each one's
// error. When another process was faster it takes over its state and tries again.
func (v *Vault) commitBatch(ctx context.Context, batch []*write) {
	v.writing.Lock()
	defer v.writing.Unlock()
	err := error(ErrConflict)
	for try := 0; try < 20 && errors.Is(err, ErrConflict); try++ {
		if err = v.reload(ctx); err == nil {
			err = v.tryCommit(ctx, batch)
		}
	}
	for _, w := range batch {
		if w.err == nil {
			w.err = err
		}
	}
}

// tryCommit runs the changes and commits those that succeed.
func (v *Vault) tryCommit(ctx context.Context, batch []*write) error {
	v.mu.RLock()
	if v.keys == nil {
		v.mu.RUnlock()
		return ErrClosed
	}
	t := v.begin()
	for _, w := range batch {
		w.err = w.run(t)
	}
	if v.machine == nil { // a member removes nothing; the next commit of a device does
		t.expireChanged(ctx)
	}
	if t.empty() {
		v.mu.RUnlock()
		return nil
	}
	c, forest, err := t.finish(nil)
	v.mu.RUnlock()
	if err != nil {
		return err
	}
	if err := v.st.Commit(ctx, c); err != nil {
		return storeError("write", err)
	}
	return v.applied(c, t, forest)
}

// applied makes the state that of commit c, which is durable, and remembers it.
func (v *Vault) applied(c blob.Commit, t *tx, forest *manifest.Forest) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		return nil // closed meanwhile; what was written stays written
	}
	s := v.state
	for _, k := range c.Purge {
		s.remove(k)
	}
	for i := range c.Put {
		r := &c.Put[i]
		s.add(r.Key, entry{group: r.Group, sum: r.Sum, seq: c.Seq})
	}
	if t.envs != nil {
		s.envs = t.envs
	}
	for _, k := range t.newKeys {
		v.keys.addEnv(k)
	}
	for id, n := range t.names {
		s.names.put(id, n)
	}
	s.head, s.manifest, s.forest = blob.Head{Seq: c.Seq, Manifest: c.Manifest}, &t.next, forest
	if v.machine != nil {
		return nil // Seen is all that it remembers
	}
	if err := writeSeen(v.dir, v.mark(s), v.keys, false); err != nil {
		return fmt.Errorf("stored, but: %w", err)
	}
	return nil
}

// refresh takes over what other processes committed. It is one small read when
// there is nothing new.
func (v *Vault) refresh(ctx context.Context) error {
	head, err := v.st.Head(ctx)
	if err != nil {
		return v.headError(err)
	}
	if v.current(head) {
		return nil
	}
	v.writing.Lock() // a commit of our own may be just that head
	defer v.writing.Unlock()
	return v.reload(ctx)
}

// current reports whether the state is that of head.
func (v *Vault) current(head blob.Head) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.keys != nil && v.state.head.Seq == head.Seq && string(v.state.head.Manifest) == string(head.Manifest)
}

// reload brings the state to the store's head, checking all of it. The caller
// holds writing.
func (v *Vault) reload(ctx context.Context) error {
	head, err := v.st.Head(ctx)
	if err != nil {
		return v.headError(err)
	}
	if v.current(head) {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.keys == nil {
		return ErrClosed
	}
	if v.machine != nil {
		next, err := v.loadMachine(ctx)
		if err != nil {
			return err
		}
		return v.adoptMachine(ctx, next)
	}
	next, err := v.load(ctx)
	if err != nil {
		return err
	}
	if v.state.head.Seq == 0 {
		return fmt.Errorf("read vault: %w", ErrConflict) // made by another process at once
	}
	if err := v.follows(ctx, v.state.mark(v.vault), next); err != nil {
		return err
	}
	if err := v.stillIn(next); err != nil {
		return err
	}
	if err := v.adopt(ctx, next); err != nil {
		return err
	}
	return writeSeen(v.dir, v.mark(next), v.keys, false)
}

// headError says what a store means that cannot show its head. An empty one is
// right for a vault that is just being made.
func (v *Vault) headError(err error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	switch {
	case v.keys == nil:
		return ErrClosed
	case errors.Is(err, blob.ErrEmpty) && v.state.head.Seq == 0:
		return nil
	case errors.Is(err, blob.ErrEmpty):
		return fmt.Errorf("the store is empty: %w", ErrRollback)
	}
	return storeError("read", err)
}

// read runs f on a fresh state with the keys held. When f finds that another
// process purged what it was about to read, it is run again; when nobody did,
// the store has lost it.
func (v *Vault) read(ctx context.Context, f func() error) error {
	for range 5 {
		if err := v.machine.ended(v.now()); err != nil {
			return err
		}
		if err := v.refresh(ctx); err != nil {
			return err
		}
		seq, err := v.readOnce(f)
		if !errors.Is(err, errRace) {
			return err
		}
		if head, herr := v.st.Head(ctx); herr == nil && head.Seq == seq {
			return fmt.Errorf("read vault: a record is missing: %w", ErrTampered)
		}
	}
	return fmt.Errorf("read vault: %w", ErrConflict)
}

func (v *Vault) readOnce(f func() error) (uint64, error) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.keys == nil {
		return 0, ErrClosed
	}
	return v.state.head.Seq, f()
}

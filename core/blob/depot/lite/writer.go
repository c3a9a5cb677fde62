package lite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// maxBatch is how many writes one transaction takes.
const maxBatch = 128

// A writer owns the one connection that writes. Writes that wait while a
// transaction is synced go into the next one together, each in a savepoint of
// its own: one sync serves all of them.
type writer struct {
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	jobs  chan *job
	stop  chan struct{}
	done  chan struct{}
}

// A job is one caller's write.
type job struct {
	ctx  context.Context
	run  func(*writer) error
	err  error
	done chan struct{}
}

var errClosed = errors.New("database is closed")

func newWriter(ctx context.Context, dsn string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	w := &writer{db: db, conn: conn, stmts: map[string]*sql.Stmt{}, jobs: make(chan *job, maxBatch), stop: make(chan struct{}), done: make(chan struct{})}
	go w.loop()
	return w, nil
}

// do runs f in the next transaction and returns when that is durable.
func (w *writer) do(ctx context.Context, f func(*writer) error) error {
	j := &job{ctx: ctx, run: f, done: make(chan struct{})}
	select {
	case w.jobs <- j:
	case <-w.stop:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-j.done:
		return j.err
	case <-w.done:
		select {
		case <-j.done: // it was in the last batch
			return j.err
		default:
			return errClosed
		}
	}
}

func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case <-w.stop:
			return
		case j := <-w.jobs:
			w.batch(w.waiting(j))
		}
	}
}

// waiting returns first and what else waits.
func (w *writer) waiting(first *job) []*job {
	jobs := []*job{first}
	for len(jobs) < maxBatch {
		select {
		case j := <-w.jobs:
			jobs = append(jobs, j)
		default:
			return jobs
		}
	}
	return jobs
}

func (w *writer) batch(jobs []*job) {
	err := w.transaction(jobs)
	for _, j := range jobs {
		if err != nil {
			j.err = err // nothing of the batch is stored
		}
		close(j.done)
	}
}

// transaction runs the jobs and sets their errors. Its own error is everybody's.
func (w *writer) transaction(jobs []*job) error {
	if err := w.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	for _, j := range jobs {
		if err := w.savepoint(j); err != nil {
			return errors.Join(err, w.exec(`ROLLBACK`))
		}
	}
	if err := w.exec(`COMMIT`); err != nil {
		// A failed COMMIT may or may not leave the transaction open.
		_ = w.exec(`ROLLBACK`)
		return err
	}
	return nil
}

func (w *writer) savepoint(j *job) error {
	if j.err = j.ctx.Err(); j.err != nil {
		return nil
	}
	if err := w.exec(`SAVEPOINT job`); err != nil {
		return err
	}
	if j.err = j.run(w); j.err != nil {
		if err := w.exec(`ROLLBACK TO job`); err != nil {
			return fmt.Errorf("%w (after %w)", err, j.err)
		}
	}
	return w.exec(`RELEASE job`)
}

// The statements of a job run to their end: a context that ends in the middle
// of one would end the transaction of the others.

func (w *writer) stmt(query string) (*sql.Stmt, error) {
	if s := w.stmts[query]; s != nil {
		return s, nil
	}
	s, err := w.conn.PrepareContext(context.Background(), query)
	if err == nil {
		w.stmts[query] = s
	}
	return s, err
}

func (w *writer) exec(query string, args ...any) error {
	_, err := w.affected(query, args...)
	return err
}

func (w *writer) affected(query string, args ...any) (int64, error) {
	s, err := w.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := s.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// row runs a query of one row. Without a row it returns sql.ErrNoRows.
func (w *writer) row(dst []any, query string, args ...any) error {
	s, err := w.stmt(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(dst...)
}

func (w *writer) close() error {
	close(w.stop)
	<-w.done
	return errors.Join(w.conn.Close(), w.db.Close())
}

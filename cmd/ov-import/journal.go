package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/plugins/plan"
)

// A journal is what is left of an import that is cut short: the plan without
// values and without the rows that need nothing, each line sealed by the agent.
// What was done stands in the vault itself, with the values and in the same
// commit; so the journal is only ever appended to, and cannot disagree with it.
type journal struct {
	file   *os.File
	client *agent.Client
	id     string
	n      int
}

// A line of a journal is one of these.
type line struct {
	Plan *plan.Plan `json:"plan,omitempty"` // the first line: without rows
	Rows []plan.Row `json:"rows,omitempty"`
	Full bool       `json:"full,omitempty"` // all rows stand above
	Done int        `json:"done,omitempty"` // rows written since the line above
	End  bool       `json:"end,omitempty"`
}

// rowsPerLine keeps a line well under what the agent takes.
const rowsPerLine = 500

func journalFolder(home string) string { return filepath.Join(home, "import") }

// begin writes the plan into a new journal.
func begin(ctx context.Context, client *agent.Client, home string, p *plan.Plan) (*journal, error) {
	if err := os.MkdirAll(journalFolder(home), 0o700); err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(journalFolder(home), p.ID+".journal"), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make journal: %w", err)
	}
	j := &journal{file: f, client: client, id: p.ID}
	head := *p
	head.Rows = nil
	err = j.add(ctx, line{Plan: &head})
	var rows []plan.Row
	for _, r := range p.Pending() {
		rows = append(rows, *r)
	}
	for chunk := range slices.Chunk(rows, rowsPerLine) {
		err = errors.Join(err, j.add(ctx, line{Rows: chunk}))
	}
	if err = errors.Join(err, j.add(ctx, line{Full: true})); err != nil {
		f.Close()
		os.Remove(f.Name())
		return nil, err
	}
	return j, nil
}

// add seals and appends a line, durably.
func (j *journal) add(ctx context.Context, l line) error {
	plain, err := json.Marshal(l)
	if err != nil {
		return err
	}
	sealed, err := j.client.ImportSeal(ctx, j.label(), plain)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if _, err = j.file.WriteString(base64.StdEncoding.EncodeToString(sealed) + "\n"); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.n++
	return nil
}

func (j *journal) label() string { return fmt.Sprintf("journal/%s/%d", j.id, j.n) }

// finish closes a journal that is done with, and removes it.
func (j *journal) finish(ctx context.Context) error {
	err := j.add(ctx, line{End: true})
	j.file.Close()
	return errors.Join(err, os.Remove(j.file.Name()))
}

// An unfinished import, as its journal has it.
type unfinished struct {
	plan *plan.Plan
	path string
	n    int
	cut  bool // it ended before the plan was whole: nothing was written then
}

// reopen reads the journals that no import finished, the oldest first.
func reopen(ctx context.Context, client *agent.Client, home string) ([]unfinished, error) {
	paths, err := filepath.Glob(filepath.Join(journalFolder(home), "*.journal"))
	if err != nil {
		return nil, err
	}
	var all []unfinished
	for _, path := range paths {
		u, err := readJournal(ctx, client, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read journal %q: %w", path, err)
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b unfinished) int { return a.plan.Created.Compare(b.plan.Created) })
	return all, nil
}

func readJournal(ctx context.Context, client *agent.Client, path string) (unfinished, error) {
	f, err := os.Open(path)
	if err != nil {
		return unfinished{}, err
	}
	defer f.Close()
	u := unfinished{path: path, plan: &plan.Plan{}, cut: true}
	j := journal{id: strings.TrimSuffix(filepath.Base(path), ".journal")}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		sealed, err := base64.StdEncoding.DecodeString(s.Text())
		if err != nil {
			break // the line that was being written
		}
		plain, err := client.ImportOpen(ctx, j.label(), sealed)
		if errors.Is(err, agent.ErrTampered) && !u.cut {
			break // likewise; the plan is whole
		}
		var l line
		if err == nil {
			err = json.Unmarshal(plain, &l)
		}
		if err != nil {
			return u, err
		}
		if j.n++; l.Plan != nil {
			u.plan = l.Plan
		}
		u.plan.Rows = append(u.plan.Rows, l.Rows...)
		u.cut = u.cut && !l.Full
	}
	u.n = j.n
	return u, s.Err()
}

// again continues the journal of u.
func (u unfinished) again(client *agent.Client) (*journal, error) {
	f, err := os.OpenFile(u.path, os.O_WRONLY|os.O_APPEND, 0o600)
	return &journal{file: f, client: client, id: u.plan.ID, n: u.n}, err
}

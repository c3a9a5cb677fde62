package plan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// ErrPlan says that a file is no plan of this vault as it was written.
var ErrPlan = errors.New("not a plan of this vault, or edited since it was made")

// Notes seal text under a key of the vault; agent.Client does.
type Notes interface {
	ImportSeal(ctx context.Context, label string, plain []byte) ([]byte, error)
	ImportOpen(ctx context.Context, label string, sealed []byte) ([]byte, error)
}

// a file is a plan for people to read, and the seal that binds it to the vault.
type file struct {
	Plan *Plan  `json:"plan"`
	Seal []byte `json:"seal"`
}

// maxFile bounds a plan file, in bytes.
const maxFile = 64 << 20

// Write writes a plan, sealed against changes.
func Write(ctx context.Context, n Notes, w io.Writer, p *Plan) error {
	sum, err := digest(p)
	if err != nil {
		return err
	}
	seal, err := n.ImportSeal(ctx, "plan/"+p.ID, sum)
	if err != nil {
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(file{p, seal})
}

// Read reads what Write wrote. Anything else is an ErrPlan.
func Read(ctx context.Context, n Notes, r io.Reader) (*Plan, error) {
	d := json.NewDecoder(io.LimitReader(r, maxFile))
	d.DisallowUnknownFields()
	f := file{}
	if err := d.Decode(&f); err != nil || f.Plan == nil {
		return nil, fmt.Errorf("read plan: %w", ErrPlan)
	}
	want, err := digest(f.Plan)
	if err != nil {
		return nil, err
	}
	sum, err := n.ImportOpen(ctx, "plan/"+f.Plan.ID, f.Seal)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w: %w", ErrPlan, err)
	}
	if !bytes.Equal(sum, want) {
		return nil, fmt.Errorf("read plan: %w", ErrPlan)
	}
	return f.Plan, f.Plan.Mapping.Check()
}

func digest(p *Plan) ([]byte, error) {
	text, err := json.Marshal(p)
	sum := sha256.Sum256(text)
	return sum[:], err
}

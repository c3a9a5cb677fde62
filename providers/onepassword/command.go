package onepassword

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// command runs `op`, which knows service accounts and signed-in people.
type command struct {
	path string
	run  func(ctx context.Context, path string, args ...string) ([]byte, error)
}

func newCommand(func(string) string) (door, error) {
	path, err := exec.LookPath("op")
	if err != nil || !filepath.IsAbs(path) {
		return nil, errors.New("no op command")
	}
	return command{path: path, run: execute}, nil
}

// maxOutput bounds what op may print, in bytes.
const maxOutput = 64 << 20

func execute(ctx context.Context, path string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	var out, errs bounded
	out.left, errs.left = maxOutput, 64<<10
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, provider.Errorf(provider.Unknown, "cancelled")
	case err != nil:
		return nil, said(errs.String())
	}
	return out.Bytes(), nil
}

// bounded fails the command that prints more than fits.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

// said maps what op prints on failure; it has one exit status for everything.
func said(text string) error {
	lower := strings.ToLower(text)
	for _, m := range []struct {
		words string
		code  provider.Code
	}{
		{"not currently signed in|no account found|session expired|invalid service account token|authentication required|unauthorized|(401)", provider.Unauthenticated},
		{"isn't an item|isn't a vault|not found|could not find|(404)", provider.NotFound},
		{"too many requests|rate limit|(429)", provider.Throttled},
		{"forbidden|permission|(403)", provider.Denied},
		{"network|timeout|connection refused|could not connect|(500)|(502)|(503)", provider.Unavailable},
	} {
		for w := range strings.SplitSeq(m.words, "|") {
			if strings.Contains(lower, w) {
				return provider.Errorf(m.code, "op says so (%s)", w)
			}
		}
	}
	return provider.Errorf(provider.Unknown, "op failed")
}

func (c command) json(ctx context.Context, out any, args ...string) error {
	b, err := c.run(ctx, c.path, append(args, "--format", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return provider.Errorf(provider.Invalid, "op %s: the answer is not the JSON that was expected", args[0])
	}
	return nil
}

func (c command) whose(ctx context.Context) (string, error) {
	var who struct {
		URL   string `json:"url"`
		Email string `json:"email"`
		Type  string `json:"user_type"`
	}
	if err := c.json(ctx, &who, "whoami"); err != nil {
		return "", err
	}
	if who.Email == "" {
		return who.URL, nil
	}
	return who.Email + " at " + who.URL, nil
}

func (c command) vaults(ctx context.Context) (v []vault, err error) {
	err = c.json(ctx, &v, "vault", "list")
	return v, err
}

type commandItem struct {
	item
	UpdatedAt time.Time `json:"updated_at"`
}

func (c commandItem) plain() item {
	c.item.Updated = c.UpdatedAt
	return c.item
}

func (c command) items(ctx context.Context, vault string) ([]item, error) {
	var in []commandItem
	if err := c.json(ctx, &in, "item", "list", "--vault", vault); err != nil {
		return nil, err
	}
	out := make([]item, len(in))
	for n, i := range in {
		out[n] = i.plain()
	}
	return out, nil
}

func (c command) item(ctx context.Context, vault, id string) (item, error) {
	if strings.HasPrefix(id, "-") || strings.HasPrefix(vault, "-") {
		return item{}, provider.Errorf(provider.Invalid, "reference %q", vault+"/"+id)
	}
	var in commandItem
	err := c.json(ctx, &in, "item", "get", id, "--vault", vault)
	return in.plain(), err
}

func (c command) file(ctx context.Context, vault, item string, f file) ([]byte, error) {
	if f.Size > provider.MaxValue {
		return nil, provider.Errorf(provider.TooLarge, "file of %d bytes, at most %d", f.Size, provider.MaxValue)
	}
	return c.run(ctx, c.path, "read", "--no-newline", "op://"+vault+"/"+item+"/"+f.Name)
}

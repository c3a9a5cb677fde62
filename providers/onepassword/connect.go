package onepassword

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

// connect speaks to a Connect server.
type connect struct{ api *rest.Client }

func newConnect(host, token string) (door, error) {
	c, err := rest.New(host)
	if err != nil {
		return nil, err
	}
	return connect{c.With(func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	})}, nil
}

// connectItem is an item with the names that Connect uses for two fields.
type connectItem struct {
	item
	UpdatedAt time.Time `json:"updatedAt"`
}

func (c connectItem) plain() item {
	c.item.Updated = c.UpdatedAt
	return c.item
}

func (c connect) get(ctx context.Context, path string, out any) error {
	_, _, err := c.api.Do(ctx, rest.Call{Path: path, Out: out})
	return err
}

func (c connect) whose(ctx context.Context) (string, error) {
	vaults, err := c.vaults(ctx)
	if err != nil {
		return "", err
	}
	if len(vaults) == 0 {
		return "", provider.Errorf(provider.Denied, "the token is granted no vault")
	}
	return c.api.Host(), nil
}

func (c connect) vaults(ctx context.Context) (v []vault, err error) {
	err = c.get(ctx, "/v1/vaults", &v)
	return v, err
}

func (c connect) items(ctx context.Context, vault string) ([]item, error) {
	var in []connectItem
	if err := c.get(ctx, "/v1/vaults/"+url.PathEscape(vault)+"/items", &in); err != nil {
		return nil, err
	}
	out := make([]item, len(in))
	for n, i := range in {
		out[n] = i.plain()
	}
	return out, nil
}

func (c connect) item(ctx context.Context, vault, id string) (item, error) {
	var in connectItem
	err := c.get(ctx, "/v1/vaults/"+url.PathEscape(vault)+"/items/"+url.PathEscape(id), &in)
	return in.plain(), err
}

func (c connect) file(ctx context.Context, vault, item string, f file) ([]byte, error) {
	if f.Size > provider.MaxValue {
		return nil, provider.Errorf(provider.TooLarge, "file of %d bytes, at most %d", f.Size, provider.MaxValue)
	}
	var raw rest.Raw
	err := c.get(ctx, "/v1/vaults/"+url.PathEscape(vault)+"/items/"+url.PathEscape(item)+"/files/"+url.PathEscape(f.ID)+"/content", &raw)
	return raw, err
}

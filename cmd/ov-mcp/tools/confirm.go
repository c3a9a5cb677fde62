package tools

import (
	"fmt"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/opaquevault/ov/core/secret"
)

// unconfirmed is the error of a deletion that the user has not agreed to yet.
type unconfirmed struct {
	fault
	ref     secret.Ref
	version uint64
}

// form is the client's own question for it. It has no field: yes and no are
// enough.
func (u unconfirmed) form() mcp.ElicitationParams {
	return mcp.ElicitationParams{
		Mode:            mcp.ElicitationModeForm,
		Message:         fmt.Sprintf("Delete the secret %s (version %d)? It can be restored for 30 days.", u.ref, u.version),
		RequestedSchema: map[string]any{"type": "object", "properties": map[string]any{}},
	}
}

// confirmed returns nil when the user agreed that ref as it is now be deleted, or
// when there is nothing to ask: no such secret, or a client that has no forms.
// The client is believed: this is against a model's mistakes. Where a person must
// decide, the policy asks for an approval, which takes the password.
func (t *Tools) confirmed(c *call, ref secret.Ref) error {
	if !fillsForms(c.ctx) {
		return nil
	}
	infos, err := c.vault.List(c.ctx, ref.App, ref.Env, ref.Name)
	if err != nil {
		return err
	}
	for _, i := range infos {
		if i.Ref == ref && i.Version != c.confirmed {
			return unconfirmed{fault{"declined", "the user was not asked", "ask the user whether it should be deleted"}, ref, i.Version}
		}
	}
	return nil
}

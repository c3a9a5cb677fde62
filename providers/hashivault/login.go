package hashivault

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

func doors() []string {
	return []string{"token of the environment or of ~/.vault-token", "approle", "jwt", "userpass", "kubernetes"}
}

// serviceAccount is where Kubernetes puts a pod's token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// login tries the ways in, in order, or the one that was named.
func (p *Provider) login(ctx context.Context, api *rest.Client, s map[string]string) (token, door string, err error) {
	named := func(d string) bool { return s["auth"] == "" || s["auth"] == d }
	if t := p.token(); t != "" && named("token") {
		return t, "token", nil
	}
	var in map[string]string
	switch {
	case named("approle") && p.env("VAULT_ROLE_ID") != "":
		door, in = "approle", map[string]string{"role_id": p.env("VAULT_ROLE_ID"), "secret_id": p.env("VAULT_SECRET_ID")}
	case named("jwt") && p.env("VAULT_JWT") != "":
		door, in = "jwt", map[string]string{"role": s["role"], "jwt": p.env("VAULT_JWT")}
	case named("userpass") && p.env("VAULT_USERNAME") != "":
		door, in = "userpass", map[string]string{"password": p.env("VAULT_PASSWORD")}
	case named("kubernetes") && s["role"] != "":
		jwt, rerr := os.ReadFile(serviceAccount)
		if rerr != nil {
			return "", "", provider.Errorf(provider.Unauthenticated, "kubernetes: no token of a service account")
		}
		door, in = "kubernetes", map[string]string{"role": s["role"], "jwt": strings.TrimSpace(string(jwt))}
	default:
		return "", "", provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(doors(), ", "))
	}
	mount := strings.Trim(s["auth_mount"], "/")
	if mount == "" {
		mount = door
	}
	at := "/v1/auth/" + escape(mount) + "/login"
	if door == "userpass" {
		at += "/" + url.PathEscape(p.env("VAULT_USERNAME"))
	}
	var out struct {
		Auth struct {
			Token string `json:"client_token"`
		}
	}
	if _, _, err := api.Do(ctx, rest.Call{Method: "POST", Path: at, In: in, Out: &out}); err != nil {
		if c := provider.CodeOf(err); c == provider.Invalid || c == provider.Denied {
			return "", "", provider.Errorf(provider.Unauthenticated, "%s login: %v", door, err)
		}
		return "", "", err
	}
	if out.Auth.Token == "" {
		return "", "", provider.Errorf(provider.Unauthenticated, "%s login: no token in the answer", door)
	}
	return out.Auth.Token, door, nil
}

// token finds one that somebody signed in for already.
func (p *Provider) token() string {
	if t := p.env("VAULT_TOKEN", "BAO_TOKEN"); t != "" {
		return t
	}
	home := p.env("HOME")
	if home == "" {
		return ""
	}
	text, _ := os.ReadFile(filepath.Join(home, ".vault-token"))
	return strings.TrimSpace(string(text))
}

package gcp

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2/google"

	"github.com/opaquevault/ov/sdk/provider"
	"github.com/opaquevault/ov/sdk/provider/rest"
)

const scope = "https://www.googleapis.com/auth/cloud-platform"

func doors() []string {
	return []string{"GOOGLE_OAUTH_ACCESS_TOKEN", "application default credentials: file, gcloud, workload identity, metadata server", "impersonation on top"}
}

func (p *Provider) env(name string) string {
	if p.getenv != nil {
		return p.getenv(name)
	}
	return os.Getenv(name)
}

// tokens returns a token that is good now.
type tokens func(context.Context) (string, error)

// signIn finds credentials. The project is theirs, where they have one.
func (p *Provider) signIn(ctx context.Context, impersonate string) (get tokens, door, project string, err error) {
	if t := p.env("GOOGLE_OAUTH_ACCESS_TOKEN"); t != "" {
		get, door = func(context.Context) (string, error) { return t, nil }, "GOOGLE_OAUTH_ACCESS_TOKEN"
	} else {
		found, err := google.FindDefaultCredentials(context.WithoutCancel(ctx), scope)
		if err != nil {
			return nil, "", "", provider.Errorf(provider.Unauthenticated, "no credentials found; tried %s", strings.Join(doors(), ", "))
		}
		get, door, project = func(context.Context) (string, error) {
			t, err := found.TokenSource.Token()
			if err != nil { // its text may quote the answer
				return "", provider.Errorf(provider.Unauthenticated, "application default credentials give no token; sign in again")
			}
			return t.AccessToken, nil
		}, "application default credentials", found.ProjectID
	}
	if impersonate != "" {
		get, err = actAs(get, impersonate)
		door += ", as " + impersonate
	}
	return get, door, project, err
}

// actAs exchanges tokens for those of a service account.
func actAs(get tokens, account string) (tokens, error) {
	api, err := rest.New("https://iamcredentials.googleapis.com")
	if err != nil {
		return nil, err
	}
	api = api.With(func(r *http.Request) error {
		t, err := get(r.Context())
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+t)
		}
		return err
	})
	var mu sync.Mutex
	var token string
	var until time.Time
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if time.Until(until) > time.Minute {
			return token, nil
		}
		var out struct {
			AccessToken string    `json:"accessToken"`
			ExpireTime  time.Time `json:"expireTime"`
		}
		_, _, err := api.Do(ctx, rest.Call{Method: "POST", In: map[string]any{"scope": []string{scope}}, Out: &out,
			Path: "/v1/projects/-/serviceAccounts/" + url.PathEscape(account) + ":generateAccessToken"})
		token, until = out.AccessToken, out.ExpireTime
		return token, err
	}, nil
}

package serve

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// fill answers a page as the person's browser would.
func fill(t *testing.T, p agent.Page, form url.Values) string {
	t.Helper()
	u, err := url.Parse(p.URL)
	if err != nil || u.Hostname() != "127.0.0.1" || len(p.Code) != 6 {
		t.Fatalf("page %+v, %v", p, err)
	}
	r, _ := http.NewRequest("POST", p.URL, strings.NewReader(form.Encode()))
	r.Header.Set("Origin", "http://"+u.Host)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func typed(password string) url.Values { return url.Values{"password": {password}, "do": {"yes"}} }

func TestUnlockPage(t *testing.T) {
	r := newRig(t)
	c := r.init(t, "TOKEN")
	c.Lock(t.Context())
	waitLocked(t, c)
	bot := r.client(t, noPassword, mcp)
	r.wants(t, bot, runOf(dev("TOKEN")), agent.ErrLocked)
	p, err := bot.PageUnlock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done := during(func() error { return bot.PageWait(t.Context(), p) })
	if body := fill(t, p, typed("wrong")); !strings.Contains(body, "Wrong password, 4 more tries.") || !strings.Contains(body, p.Code) {
		t.Errorf("wrong password: %s", body)
	}
	r.wants(t, bot, runOf(dev("TOKEN")), agent.ErrLocked)
	if body := fill(t, p, typed(testPassword)); !strings.Contains(body, "The vault is unlocked.") {
		t.Errorf("right password: %s", body)
	}
	if err := <-done; err != nil {
		t.Errorf("PageWait: %v", err)
	}
	r.wants(t, bot, runOf(dev("TOKEN")), nil)
}

func TestAttackApprovalPage(t *testing.T) {
	r := prodRig(t)
	bot := r.client(t, noPassword, mcp)
	_, err := bot.Grant(t.Context(), runOf(prod("KEY")))
	id := agent.PendingID(err)
	if !errors.Is(err, agent.ErrApproval) || id == "" {
		t.Fatalf("Grant: %v, pending %q", err, id)
	}
	p, err := bot.PageApprove(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	// Attack: the client fetches and posts the page itself, without the password.
	res, err := http.Get(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	for _, want := range []string{"mcp:some-agent asks to run", "command: true", "secrets: shop/production/KEY"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the page does not show %q: %s", want, body)
		}
	}
	fill(t, p, typed(""))
	fill(t, p, url.Values{"do": {"yes"}})
	r.wants(t, bot, runOf(prod("KEY")), agent.ErrApproval)
	r.server.tries.right()
	if body := fill(t, p, typed(testPassword)); !strings.Contains(body, "Allowed.") {
		t.Errorf("right password: %s", body)
	}
	if err := bot.PageWait(t.Context(), p); err != nil {
		t.Errorf("PageWait: %v", err)
	}
	r.wants(t, bot, runOf(prod("KEY")), nil)
	r.wants(t, bot, runOf(prod("OTHER")), agent.ErrApproval)

	_, err = bot.Grant(t.Context(), runOf(prod("OTHER")))
	p, err = bot.PageApprove(t.Context(), agent.PendingID(err))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, p, url.Values{"do": {"no"}})
	if err := bot.PageWait(t.Context(), p); !errors.Is(err, agent.ErrDenied) {
		t.Errorf("refused on the page: %v", err)
	}
	if _, err := bot.PageApprove(t.Context(), "nothing"); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("a page for nothing: %v", err)
	}
}

func TestValuePage(t *testing.T) {
	r := prodRig(t)
	bot, cli := r.client(t, noPassword, mcp), r.client(t, noPassword)
	p, err := bot.PagePut(t.Context(), agent.PutRequest{Ref: dev("TYPED"), Mode: agent.CreateOnly})
	if err != nil {
		t.Fatal(err)
	}
	if body := fill(t, p, url.Values{"value": {"ab"}, "do": {"yes"}}); !strings.Contains(body, "shorter than") {
		t.Errorf("a short value: %s", body)
	}
	if body := fill(t, p, url.Values{"value": {"typed & stored"}, "do": {"yes"}}); !strings.Contains(body, "Stored.") || strings.Contains(body, "typed") {
		t.Errorf("a value: %s", body)
	}
	if err := bot.PageWait(t.Context(), p); err != nil {
		t.Error(err)
	}
	if got := valueOf(t, cli, dev("TYPED")); got != "typed & stored" {
		t.Errorf("stored %q", got)
	}
	// In production the policy asks: the page wants the password as well.
	p, err = bot.PagePut(t.Context(), agent.PutRequest{Ref: prod("TYPED")})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, p, url.Values{"value": {"no password"}, "do": {"yes"}})
	if _, err := cli.Info(t.Context(), prod("TYPED")); !errors.Is(err, agent.ErrNotFound) {
		t.Errorf("stored without the password: %v", err)
	}
	form := typed(testPassword)
	form.Set("value", "with password")
	if body := fill(t, p, form); !strings.Contains(body, "Stored.") {
		t.Errorf("with the password: %s", body)
	}
	if _, err := cli.Info(t.Context(), prod("TYPED")); err != nil {
		t.Error(err)
	}
	if _, err := bot.PagePut(t.Context(), agent.PutRequest{Ref: secret.Ref{App: "X"}}); !errors.Is(err, agent.ErrUsage) {
		t.Errorf("a bad ref: %v", err)
	}
}

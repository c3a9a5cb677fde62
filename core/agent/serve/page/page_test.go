package page

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opaquevault/ov/core/secret"
)

// ask puts up a page whose password is "right".
func ask(t *testing.T, d *Desk, change ...func(*Question)) *Page {
	t.Helper()
	q := Question{Title: "Unlock", Lines: []string{"mcp:x asks <b>nicely</b>"}, Button: "Unlock", Done: "Unlocked.",
		Submit: func(_ context.Context, a Answer) error {
			if string(a.Password.Reveal()) != "right" {
				return Retry{errors.New("wrong password")}
			}
			return nil
		}}
	for _, f := range change {
		f(&q)
	}
	p, err := d.Ask(q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return p
}

// send makes a request as a browser on the page would, changed by change.
func send(t *testing.T, method, address, form string, change ...func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequest(method, address, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(address)
	if method == http.MethodPost {
		r.Header.Set("Origin", "http://"+u.Host)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range change {
		f(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body), res.Header
}

func TestQuestionAndAnswer(t *testing.T) {
	var d Desk
	p := ask(t, &d)
	status, body, h := send(t, "GET", p.URL, "")
	if status != 200 || !strings.Contains(body, p.Code) || !strings.Contains(body, "mcp:x asks &lt;b&gt;nicely&lt;/b&gt;") || !strings.Contains(body, `name="password"`) {
		t.Errorf("GET: %d %s", status, body)
	}
	if strings.Contains(body, "<script") {
		t.Error("the page has a script")
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	csp := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", styleHash()} {
		if !strings.Contains(csp, want) {
			t.Errorf("CSP %q lacks %q", csp, want)
		}
	}
	if status, body, _ := send(t, "POST", p.URL, "password=wrong&do=yes"); status != 403 || !strings.Contains(body, "Wrong password.") {
		t.Errorf("wrong password: %d %s", status, body)
	}
	if status, body, _ := send(t, "POST", p.URL, "password=right&do=yes"); status != 200 || !strings.Contains(body, "Unlocked. You can close this window.") || strings.Contains(body, "right") {
		t.Errorf("right password: %d %s", status, body)
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Errorf("Wait: %v", err)
	}
	gone(t, p.URL)
}

// gone checks that nobody answers at a page's address any more.
func gone(t *testing.T, address string) {
	t.Helper()
	for range 200 {
		res, err := http.Get(address)
		if err != nil {
			return
		}
		res.Body.Close()
		if res.StatusCode == 404 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the page is still there")
}

func TestRefuse(t *testing.T) {
	var d Desk
	p := ask(t, &d)
	if _, body, _ := send(t, "POST", p.URL, "password=&do=no"); !strings.Contains(body, "Refused") {
		t.Errorf("refuse: %s", body)
	}
	if err := p.Wait(t.Context()); !errors.Is(err, ErrRefused) {
		t.Errorf("Wait: %v", err)
	}
}

// Attack: other sites, other programs and other names for this address.
func TestAttackPage(t *testing.T) {
	var d Desk
	p := ask(t, &d)
	u, _ := url.Parse(p.URL)
	port := u.Port()
	right := "password=right&do=yes"
	for name, tt := range map[string]struct {
		method, address string
		change          func(*http.Request)
	}{
		"no nonce":             {"GET", "http://" + u.Host + "/", nil},
		"another nonce":        {"GET", "http://" + u.Host + "/" + strings.Repeat("A", 24), nil},
		"part of the nonce":    {"GET", p.URL[:len(p.URL)-1], nil},
		"with a query":         {"GET", p.URL + "?x=1", nil},
		"rebinding":            {"GET", p.URL, func(r *http.Request) { r.Host = "evil.example:" + port }},
		"localhost":            {"GET", p.URL, func(r *http.Request) { r.Host = "localhost:" + port }},
		"rebinding, with form": {"POST", p.URL, func(r *http.Request) { r.Host = "evil.example:" + port }},
		"other site":           {"POST", p.URL, func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }},
		"other port":           {"POST", p.URL, func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") }},
		"no origin":            {"POST", p.URL, func(r *http.Request) { r.Header.Del("Origin") }},
		"null origin":          {"POST", p.URL, func(r *http.Request) { r.Header.Set("Origin", "null"); r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"cross-site":           {"POST", p.URL, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }},
		"same-site":            {"POST", p.URL, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }},
		"JSON":                 {"POST", p.URL, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }},
		"PUT":                  {"PUT", p.URL, nil},
	} {
		changes := []func(*http.Request){}
		if tt.change != nil {
			changes = append(changes, tt.change)
		}
		status, body, _ := send(t, tt.method, tt.address, right, changes...)
		if status != 404 && status != 403 || body != "" {
			t.Errorf("%s: %d %q", name, status, body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one of them answered the question: %v", err)
	}
	if status, _, _ := send(t, "POST", p.URL, "password="+strings.Repeat("x", maxBody)); status != 413 {
		t.Errorf("a huge form: %d", status)
	}
}

func TestLimitsAndClose(t *testing.T) {
	var d Desk
	pages := map[string]bool{}
	var last *Page
	for range maxOpen {
		last = ask(t, &d)
		if pages[last.URL] {
			t.Fatal("two pages at one address")
		}
		pages[last.URL] = true
	}
	if _, err := d.Ask(Question{}); !errors.Is(err, ErrBusy) {
		t.Errorf("one more: %v", err)
	}
	d.Close()
	if err := last.Wait(t.Context()); !errors.Is(err, ErrTimeout) {
		t.Errorf("Wait after Close: %v", err)
	}
	gone(t, last.URL)
}

func TestSubmitFails(t *testing.T) {
	var d Desk
	full := errors.New("disk full")
	p := ask(t, &d, func(q *Question) { q.Submit = func(context.Context, Answer) error { return full } })
	if _, body, _ := send(t, "POST", p.URL, "password=x&do=yes"); !strings.Contains(body, "disk full") {
		t.Errorf("%s", body)
	}
	if err := p.Wait(t.Context()); !errors.Is(err, full) {
		t.Errorf("Wait: %v", err)
	}
}

func TestValueField(t *testing.T) {
	var d Desk
	var got secret.Value
	p := ask(t, &d, func(q *Question) {
		q.Value, q.NoPass = "Value of shop/development/KEY", true
		q.Submit = func(_ context.Context, a Answer) error {
			got = secret.New([]byte(string(a.Value.Reveal())))
			return nil
		}
	})
	if _, body, _ := send(t, "GET", p.URL, ""); strings.Contains(body, `name="password"`) || !strings.Contains(body, "Value of shop/development/KEY") {
		t.Errorf("%s", body)
	}
	send(t, "POST", p.URL, url.Values{"value": {"a+b %&=\r\ngröße\x00"}, "do": {"yes"}}.Encode())
	if s := string(got.Reveal()); s != "a+b %&=\ngröße\x00" {
		t.Errorf("value is %q", s)
	}
}

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "a+b": "a b", "%41": "A", "%4": "%4", "%": "%", "%zz": "%zz", "%0D%0A": "\n", "%0D": "\r", "%0D%0A%0D%0A": "\n\n",
		"%25%32%35": "%25", "x%00y": "x\x00y",
	} {
		if got := string(unescape([]byte(in))); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
}

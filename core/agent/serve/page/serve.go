package page

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"html/template"
	"io"
	"net/http"
	"strings"
)

// serve answers a browser. Whoever does not know a page's address learns
// nothing, not even whether there is one.
func (d *Desk) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+styleHash()+"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Type", "text/html; charset=utf-8")
	p := d.find(r.URL.Path)
	switch {
	case r.Host != d.address() || r.URL.RawQuery != "" || p == nil: // another name for this address is a rebinding attack
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodGet:
		p.show(w, http.StatusOK, "")
	case r.Method == http.MethodPost && d.ours(r):
		p.answer(w, r)
	default:
		w.WriteHeader(http.StatusForbidden)
	}
}

func (d *Desk) address() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.host
}

// ours reports whether a form was sent by our own page. Every browser that
// sends a form says from where.
func (d *Desk) ours(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	origin := r.Header.Get("Origin")
	return (origin == "http://"+d.address() || origin == "null" && site == "same-origin") && (site == "" || site == "same-origin") &&
		strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// answer takes a form in.
func (p *Page) answer(w http.ResponseWriter, r *http.Request) {
	p.busy.Lock()
	defer p.busy.Unlock()
	select {
	case <-p.end: // another window was faster
		w.WriteHeader(http.StatusNotFound)
		return
	default:
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		p.show(w, http.StatusRequestEntityTooLarge, "That is too long.")
		return
	}
	defer clear(body)
	a, refused := parseForm(body)
	defer a.Wipe()
	if refused {
		if p.q.Refuse != nil {
			p.q.Refuse()
		}
		p.last(w, ErrRefused, "Refused. You can close this window.")
		return
	}
	err = p.q.Submit(r.Context(), a)
	if retry := (Retry{}); errors.As(err, &retry) {
		p.show(w, http.StatusForbidden, sentence(retry.Error()))
		return
	}
	if err != nil {
		p.last(w, err, "It did not work: "+err.Error()+". You can close this window.")
		return
	}
	p.last(w, nil, p.q.Done+" You can close this window.")
}

// last shows the last words of p and ends it.
func (p *Page) last(w http.ResponseWriter, err error, words string) {
	view().Execute(w, content{Title: p.q.Title, Code: p.Code, Last: words, Style: template.CSS(style)})
	p.finish(err)
}

func (p *Page) show(w http.ResponseWriter, status int, problem string) {
	w.WriteHeader(status)
	view().Execute(w, content{Title: p.q.Title, Code: p.Code, Lines: p.q.Lines, Value: p.q.Value, Pass: !p.q.NoPass, Button: p.q.Button, Problem: problem, Style: template.CSS(style)})
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

type content struct {
	Title, Code, Value, Button, Problem, Last string
	Lines                                     []string
	Pass                                      bool
	Style                                     template.CSS
}

func styleHash() string {
	sum := sha256.Sum256([]byte(style))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func view() *template.Template { return template.Must(template.New("page").Parse(markup)) }

// A line that is too long goes on indented: nothing in it can pass for the
// beginning of another one.
const style = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0;background:light-dark(#f3f4f6,#0f1013);color:light-dark(#17191d,#eceef1)}
main{max-width:36rem;margin:3.5rem auto;padding:1.75rem 2rem 2rem;background:light-dark(#fff,#191b1f);border:1px solid light-dark(#d9dce2,#33373e);border-radius:.75rem}
@media(max-width:41rem){main{margin:0;padding:1.5rem;border:0;border-radius:0;min-height:100vh;box-sizing:border-box}}
h1{font-size:1.35rem;line-height:1.3;margin:0;overflow-wrap:anywhere}
.code{font:600 1.1rem ui-monospace,monospace;letter-spacing:.15em}
.last{font-size:1.1rem;margin-bottom:0}
pre{font:.9rem/1.5 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;background:light-dark(#f3f4f6,#25282e);padding:.75rem 1rem;border-radius:.4rem}
pre span{display:block;padding-left:9ch;text-indent:-9ch}
label{display:block;margin:1rem 0 .25rem;font-weight:600}
input,textarea{width:100%;box-sizing:border-box;font:inherit;padding:.5rem .6rem;color:inherit;background:light-dark(#fff,#0f1013);border:1px solid light-dark(#7c828d,#7c828d);border-radius:.4rem}
textarea{-webkit-text-security:disc;resize:vertical}
button{font:inherit;padding:.5rem 1.2rem;margin:1.25rem .75rem 0 0;color:inherit;background:transparent;border:1px solid light-dark(#7c828d,#7c828d);border-radius:.4rem;cursor:pointer}
button.main{background:#1652f0;color:#fff;border-color:#1652f0;font-weight:600}
:focus-visible{outline:3px solid #f5a623;outline-offset:2px}
.problem{color:light-dark(#b3131f,#ff8f87);font-weight:600}`

const markup = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ov: {{.Title}}</title><style>{{.Style}}</style></head>
<body><main>
<h1>{{.Title}}</h1>
{{if .Last}}<p class="last" role="status">{{.Last}}</p>{{else}}
<p>This page is ov's own, on this computer. Its code is <span class="code">{{.Code}}</span>: go on only if the program that sent you here shows the same one.</p>
{{if .Lines}}<pre>{{range .Lines}}<span>{{.}}</span>{{end}}</pre>{{end}}
{{if .Problem}}<p class="problem" id="problem" role="alert">{{.Problem}}</p>{{end}}
<form method="post" autocomplete="off">
{{if .Value}}<label for="value">{{.Value}}</label><textarea id="value" name="value" rows="3" required autofocus spellcheck="false"{{if .Problem}} aria-describedby="problem"{{end}}></textarea>{{end}}
{{if .Pass}}<label for="password">Master password</label><input id="password" name="password" type="password" required{{if not .Value}} autofocus{{end}} autocomplete="off"{{if .Problem}} aria-describedby="problem"{{end}}>{{end}}
<button class="main" name="do" value="yes">{{.Button}}</button><button name="do" value="no" formnovalidate>Refuse</button>
</form>{{end}}
</main></body></html>
`

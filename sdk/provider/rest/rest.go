// Package rest is a small JSON client for providers: one place that maps HTTP
// answers to provider errors, bounds what it reads, and keeps credentials on
// the host they were meant for.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/opaquevault/ov/sdk/provider"
)

// maxBody bounds one answer, in bytes: a full listing with values in it.
const maxBody = 64 << 20

// Raw as a Call's Out takes the body as it is, not as JSON.
type Raw []byte

// A Client calls one service. It is immutable and safe for concurrent use.
type Client struct {
	base      *url.URL
	http      *http.Client
	authorize func(*http.Request) error
}

// With returns a client that calls authorize to add the credentials to each
// request.
func (c *Client) With(authorize func(*http.Request) error) *Client {
	return &Client{base: c.base, http: c.http, authorize: authorize}
}

// New returns a client for the service at base, which is https unless it is on
// this machine.
func New(base string) (*Client, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || u.Host == "" || u.User != nil {
		return nil, provider.Errorf(provider.Invalid, "address %q is not a plain URL", redacted(u))
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, provider.Errorf(provider.Invalid, "address %q: https is needed for a service that is not on this machine", redacted(u))
	}
	return &Client{base: u, http: &http.Client{
		Timeout: time.Minute,
		// A redirect would carry the credentials to a place nobody named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// redacted shows an address without what may be a password in it.
func redacted(u *url.URL) string {
	if u == nil {
		return "(unreadable)"
	}
	return u.Scheme + "://" + u.Host
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Host returns the host name, for people.
func (c *Client) Host() string { return c.base.Host }

// A Call is one request. Path is appended to the client's base; its segments
// are escaped by the caller (url.PathEscape).
type Call struct {
	Method string // GET when empty
	Path   string
	Query  url.Values
	Header http.Header
	In     any // JSON body; a url.Values is sent as a form
	Out    any // JSON answer is decoded into it; nil: ignored
}

// Do makes the call. Any answer but 2xx and 304 is an *Error of package
// provider; 304 leaves Out alone. It returns the answer's status and header.
func (c *Client) Do(ctx context.Context, call Call) (int, http.Header, error) {
	req, err := c.request(ctx, call)
	if err != nil {
		return 0, nil, err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, network(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case err != nil:
		return 0, nil, network(ctx, err)
	case len(body) > maxBody:
		return 0, nil, provider.Errorf(provider.TooLarge, "%s: answer over %d MiB", call.Path, maxBody>>20)
	case res.StatusCode == http.StatusNotModified:
		return res.StatusCode, res.Header, nil
	case res.StatusCode/100 != 2:
		return res.StatusCode, res.Header, failure(res, body)
	case call.Out == nil:
		return res.StatusCode, res.Header, nil
	}
	if raw, ok := call.Out.(*Raw); ok {
		*raw = body
		return res.StatusCode, res.Header, nil
	}
	if err := json.Unmarshal(body, call.Out); err != nil {
		// The text of a JSON error can quote the answer, which may hold values.
		return res.StatusCode, res.Header, provider.Errorf(provider.Invalid, "%s: the answer is not the JSON that was expected", call.Path)
	}
	return res.StatusCode, res.Header, nil
}

func (c *Client) request(ctx context.Context, call Call) (*http.Request, error) {
	u := c.base.String() + call.Path
	if len(call.Query) > 0 {
		u += "?" + call.Query.Encode()
	}
	body, kind, err := encode(call.In)
	if err != nil {
		return nil, provider.Errorf(provider.Invalid, "%s: the request cannot be encoded", call.Path)
	}
	method := call.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, provider.Errorf(provider.Invalid, "%s: not a request path", call.Path)
	}
	for k, v := range call.Header {
		req.Header[k] = v
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ov")
	if c.authorize != nil {
		if err := c.authorize(req); err != nil {
			return nil, err
		}
	}
	return req, nil
}

func encode(in any) (io.Reader, string, error) {
	switch in := in.(type) {
	case nil:
		return http.NoBody, "", nil
	case url.Values:
		return strings.NewReader(in.Encode()), "application/x-www-form-urlencoded", nil
	default:
		b, err := json.Marshal(in)
		return bytes.NewReader(b), "application/json", err
	}
}

// network classifies a failure below HTTP. A certificate that does not verify
// is final; everything else may pass.
func network(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return provider.Errorf(provider.Unknown, "cancelled")
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, whose query may name things
	}
	if strings.Contains(err.Error(), "certificate") {
		return provider.Errorf(provider.Invalid, "%v", err)
	}
	return provider.Errorf(provider.Unavailable, "%v", err)
}

// failure maps a status to a code and takes the service's own message along.
func failure(res *http.Response, body []byte) error {
	e := provider.Errorf(codeOf(res.StatusCode), "%s", message(res, body))
	if s, err := strconv.ParseFloat(res.Header.Get("Retry-After"), 64); err == nil && s > 0 {
		e.RetryAfter = time.Duration(s * float64(time.Second))
	} else if t, err := http.ParseTime(res.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = max(0, time.Until(t))
	}
	return e
}

func codeOf(status int) provider.Code {
	switch {
	case status == 401:
		return provider.Unauthenticated
	case status == 403:
		return provider.Denied
	case status == 404, status == 410:
		return provider.NotFound
	case status == 413:
		return provider.TooLarge
	case status == 429:
		return provider.Throttled
	case status == http.StatusNotImplemented:
		return provider.Invalid
	case status == 408, status >= 500:
		return provider.Unavailable
	}
	return provider.Invalid
}

// message finds the text that most services put under one of three names.
func message(res *http.Response, body []byte) string {
	var said struct {
		Message, Error any
		Errors         []any
	}
	text := ""
	if json.Unmarshal(body, &said) == nil {
		for _, m := range append([]any{said.Message, said.Error}, said.Errors...) {
			switch m := m.(type) {
			case string:
				text = m
			case map[string]any:
				text, _ = m["message"].(string)
			}
			if text != "" {
				break
			}
		}
	}
	if len(text) > 300 {
		text = text[:300]
	}
	return strings.TrimSpace(fmt.Sprintf("HTTP %d %s", res.StatusCode, text))
}

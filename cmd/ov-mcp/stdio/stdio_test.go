package stdio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// client drives a Server over pipes, as a real one would.
type client struct {
	t     *testing.T
	in    *io.PipeWriter
	out   *io.PipeReader
	lines *bufio.Scanner
	ended chan error
	held  *atomic.Int64 // handlers of "wait" under way
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	c := &client{t: t, in: inW, out: outR, lines: bufio.NewScanner(outR), ended: make(chan error, 1), held: new(atomic.Int64)}
	c.lines.Buffer(nil, 256<<20)
	s.MCP = tools(c.held)
	go func() { c.ended <- s.Serve(context.Background(), inR, outW); outW.Close() }()
	t.Cleanup(func() { inW.Close(); outR.Close() })
	return c
}

// tools is an MCP server with one tool for each thing that a handler may do.
func tools(held *atomic.Int64) *server.MCPServer {
	m := server.NewMCPServer("test", "1", server.WithToolCapabilities(false), server.WithElicitation())
	add := func(name string, f func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error)) {
		m.AddTool(mcp.NewTool(name), f)
	}
	add("echo", func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(r.GetString("text", "")), nil
	})
	add("wait", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		held.Add(1)
		defer held.Add(-1)
		<-ctx.Done()
		Progress(ctx, 1, 1, "late")
		return mcp.NewToolResultText("late"), nil
	})
	add("progress", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		var others sync.WaitGroup
		for i := range 1000 {
			others.Go(func() { Progress(ctx, float64(i), 1000, "") })
		}
		others.Wait()
		go func() {
			for range 100 {
				Progress(ctx, 1000, 1000, "after the response")
			}
		}()
		return mcp.NewToolResultText("done"), nil
	})
	add("panic", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) { panic("canary in a panic") })
	add("angle", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return mcp.NewToolResultText(strings.Repeat("<&>", 1<<20) + `\u003c \\u003e`), nil
	})
	add("ask", func(_ context.Context, r mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		if a := server.ElicitationResponse(r.Params.InputResponses, "q"); a != nil {
			return mcp.NewToolResultText(string(a.Action)), nil
		}
		return server.NewInputRequestBuilder("state").Elicit("q", mcp.ElicitationParams{
			Mode: "url", Message: "m", ElicitationID: "e", URL: "http://127.0.0.1:1/"}).ToolResult(), nil
	})
	return m
}

func (c *client) send(lines ...string) {
	c.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(c.in, l+"\n"); err != nil {
			c.t.Fatal(err)
		}
	}
}

type reply struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
	raw string
}

func (c *client) next() reply {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("output ended: %v", c.lines.Err())
	}
	var r reply
	if err := json.Unmarshal(c.lines.Bytes(), &r); err != nil {
		c.t.Fatalf("not a message: %.200q", c.lines.Text())
	}
	r.raw = c.lines.Text()
	return r
}

func call(id, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":{%s}}}`, id, tool, args)
}

const hello = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{%s},"clientInfo":{"name":"t","version":"1"}}}`

// TestNothingWaits: two hundred calls that hang do not delay the next one.
func TestNothingWaits(t *testing.T) {
	c := dial(t, &Server{})
	for i := range 200 {
		c.send(call(fmt.Sprint(i), "wait", ""))
	}
	c.send(call(`"now"`, "echo", `"text":"here"`))
	if r := c.next(); string(r.ID) != `"now"` || !strings.Contains(r.raw, "here") {
		t.Errorf("first answer %s", r.raw)
	}
}

// TestCancelledIsSilent: no answer and no progress for a cancelled request, also
// for one that was cancelled before its handler began; 7 is not "7".
func TestCancelledIsSilent(t *testing.T) {
	c := dial(t, &Server{})
	c.send(call(`7`, "wait", ""), call(`"7"`, "wait", ""),
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	for c.held.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	c.send(call(`8`, "echo", `"text":"x"`))
	if r := c.next(); string(r.ID) != "8" {
		t.Errorf("answer to %s: %s", r.ID, r.raw)
	}
	for i := range 500 { // read in one go: the cancellation overtakes the handler's start
		id := fmt.Sprint(1000 + i)
		c.send(call(id, "wait", "") + "\n" + `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `}}`)
	}
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}`, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown"}}`, call(`9`, "echo", `"text":"x"`))
	if r := c.next(); string(r.ID) != "9" {
		t.Errorf("answer to %s: %s", r.ID, r.raw)
	}
	c.in.Close()
	for c.lines.Scan() {
		t.Errorf("after all: %s", c.lines.Text())
	}
	if err := <-c.ended; err != nil || c.held.Load() != 0 {
		t.Errorf("ended %v with %d handlers", err, c.held.Load())
	}
}

func TestProgressComesBeforeTheResponse(t *testing.T) {
	c := dial(t, &Server{})
	c.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"progress","_meta":{"progressToken":"tok-1"}}}`)
	n := 0
	for {
		r := c.next()
		if r.Method == "" {
			break
		}
		if r.Method != "notifications/progress" || !strings.Contains(string(r.Params), `"progressToken":"tok-1"`) {
			t.Fatalf("notification %s", r.raw)
		}
		n++
	}
	if n < 1000 { // a few of the late ones may still have been in time
		t.Errorf("%d of 1000 progress notifications", n)
	}
	c.send(call(`2`, "echo", `"text":"x"`))
	if r := c.next(); string(r.ID) != "2" {
		t.Errorf("after the response: %s", r.raw)
	}
}

func TestIDsComeBackAsTheyWere(t *testing.T) {
	c := dial(t, &Server{})
	for _, id := range []string{"9007199254740993", "18446744073709551615", `"a\u00e9\"<&>"`, `""`, "-1", "1.50"} {
		c.send(call(id, "echo", `"text":"x"`))
		if r := c.next(); string(r.ID) != id || r.Error != nil {
			t.Errorf("id %s came back as %s: %s", id, r.ID, r.raw)
		}
	}
	for _, id := range []string{"true", "{}", "[1]"} {
		c.send(call(id, "echo", `"text":"x"`))
		if r := c.next(); r.Error == nil || r.Error.Code != invalidRequest {
			t.Errorf("id %s: %s", id, r.raw)
		}
	}
}

func TestPanicStaysInside(t *testing.T) {
	c := dial(t, &Server{})
	c.send(call(`1`, "panic", ""))
	if r := c.next(); r.Error == nil || strings.Contains(r.raw, "canary") {
		t.Errorf("a panic became %s", r.raw)
	}
	c.send(call(`2`, "echo", `"text":"alive"`))
	if r := c.next(); !strings.Contains(r.raw, "alive") {
		t.Errorf("afterwards %s", r.raw)
	}
}

// TestNoHTMLEscapes: three MiB of <, & and > are three MiB, and what looks like
// an escape in the text stays what it is.
func TestNoHTMLEscapes(t *testing.T) {
	c := dial(t, &Server{})
	c.send(call(`1`, "angle", ""))
	r := c.next()
	if len(r.raw) > 3<<20+1024 {
		t.Errorf("answer of %d bytes for 3 MiB", len(r.raw))
	}
	var result struct{ Content []struct{ Text string } }
	if err := json.Unmarshal(r.Result, &result); err != nil || result.Content[0].Text != strings.Repeat("<&>", 1<<20)+`\u003c \\u003e` {
		t.Errorf("text changed on its way (%v)", err)
	}
}

func TestUnescape(t *testing.T) {
	for _, s := range []string{"", "<", `\`, `\\`, `\u003c`, `\\u003c`, `a\\\u003c<`, "é<\x00\n", strings.Repeat(`\`, 7) + "u003e>", `"&"`, "\u2028<"} {
		b, _ := json.Marshal(s)
		out := unescape(b)
		var back string
		if err := json.Unmarshal(out, &back); err != nil || back != s {
			t.Errorf("%q became %q (%v)", s, back, err)
		}
		if strings.Contains(s, "<") && !strings.Contains(string(out), "<") {
			t.Errorf("%q is still escaped: %s", s, out)
		}
	}
}

// TestLongLine: 64 MiB without a newline are refused, not kept.
func TestLongLine(t *testing.T) {
	c := dial(t, &Server{MaxLine: 1 << 20})
	piece := bytes.Repeat([]byte("x"), 1<<20)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 64 {
		c.in.Write(piece)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 24<<20 {
		t.Errorf("allocated %d MiB for a line that is refused", grown>>20)
	}
	c.send("")
	if r := c.next(); r.Error == nil || r.Error.Code != invalidRequest {
		t.Errorf("long line: %s", r.raw)
	}
	c.send(call(`1`, "echo", `"text":"next line"`))
	if r := c.next(); !strings.Contains(r.raw, "next line") {
		t.Errorf("afterwards: %s", r.raw)
	}
}

// TestPipelinedAtEOF: what was asked before the input ended is answered.
func TestPipelinedAtEOF(t *testing.T) {
	c := dial(t, &Server{})
	go func() {
		for i := range 100 {
			io.WriteString(c.in, call(fmt.Sprint(i), "echo", `"text":"x"`)+"\n")
		}
		io.WriteString(c.in, call("100", "echo", `"text":"x"`)) // the last without a newline
		c.in.Close()
	}()
	n := 0
	for c.lines.Scan() {
		n++
	}
	if n != 101 {
		t.Errorf("%d of 101 answers", n)
	}
	if err := <-c.ended; err != nil {
		t.Error(err)
	}
}

// TestEOFCancels: a call that would never end is cancelled after the grace.
func TestEOFCancels(t *testing.T) {
	c := dial(t, &Server{Grace: 50 * time.Millisecond})
	c.send(call("1", "wait", ""))
	c.in.Close()
	go io.Copy(io.Discard, c.out)
	select {
	case err := <-c.ended:
		if err != nil || c.held.Load() != 0 {
			t.Errorf("ended %v with %d handlers", err, c.held.Load())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
}

// TestOutputGone: when nobody reads any more, every handler is cancelled at once.
func TestOutputGone(t *testing.T) {
	c := dial(t, &Server{Grace: time.Hour})
	c.send(call("1", "wait", ""))
	for c.held.Load() != 1 {
		time.Sleep(time.Millisecond)
	}
	c.out.Close()
	c.send(call("2", "echo", `"text":"x"`))
	select {
	case err := <-c.ended:
		if !errors.Is(err, io.ErrClosedPipe) || c.held.Load() != 0 {
			t.Errorf("ended %v with %d handlers", err, c.held.Load())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("still running")
	}
}

func TestBusy(t *testing.T) {
	c := dial(t, &Server{MaxInFlight: 3})
	for i := range 3 {
		c.send(call(fmt.Sprint(i), "wait", ""))
	}
	c.send(call("4", "echo", `"text":"x"`))
	if r := c.next(); r.Error == nil || r.Error.Code != serverBusy || string(r.ID) != "4" {
		t.Errorf("fourth request: %s", r.raw)
	}
	c.send(call("1", "echo", ""))
	if r := c.next(); r.Error == nil || r.Error.Code != invalidRequest {
		t.Errorf("an id under way again: %s", r.raw)
	}
}

func TestBadMessages(t *testing.T) {
	c := dial(t, &Server{})
	for line, code := range map[string]int{
		"hello": parseError, "{": parseError, "[]": invalidRequest, "[1": invalidRequest,
		`{"id":1,"method":"ping"}`: invalidRequest, `{"jsonrpc":"2.0","id":1}`: invalidRequest, `{"jsonrpc":"2.0","id":null,"method":"ping"}`: invalidRequest,
	} {
		c.send(line)
		if r := c.next(); r.Error == nil || r.Error.Code != code {
			t.Errorf("%s: %s, want %d", line, r.raw, code)
		}
	}
}

func TestBatch(t *testing.T) {
	c := dial(t, &Server{})
	c.send("[" + call("1", "echo", `"text":"a"`) + `,{"jsonrpc":"2.0","method":"notifications/initialized"},` + call("2", "echo", `"text":"b"`) + "]")
	if !c.lines.Scan() {
		t.Fatal("no answer")
	}
	var all []reply
	if err := json.Unmarshal(c.lines.Bytes(), &all); err != nil || len(all) != 2 {
		t.Errorf("batch answered with %s (%v)", c.lines.Text(), err)
	}
}

// TestElicitationLegacy: a client that declared it is asked by a request; one
// that did not is never asked.
func TestElicitationLegacy(t *testing.T) {
	c := dial(t, &Server{})
	c.send(fmt.Sprintf(hello, `"elicitation":{}`))
	c.next()
	c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`, call("1", "ask", ""))
	r := c.next()
	if r.Method != "elicitation/create" || !strings.Contains(string(r.Params), "127.0.0.1") {
		t.Fatalf("want a question, got %s", r.raw)
	}
	c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"action":"accept"}}`, r.ID))
	if r = c.next(); string(r.ID) != "1" || !strings.Contains(r.raw, "accept") {
		t.Errorf("answer %s", r.raw)
	}

	c = dial(t, &Server{})
	c.send(fmt.Sprintf(hello, ""))
	c.next()
	c.send(call("1", "ask", ""))
	if r := c.next(); r.Method != "" || string(r.ID) != "1" {
		t.Errorf("a client without elicitation got %s", r.raw)
	}
}

// TestElicitationModern: the question is the result, the answer comes with the
// retry.
func TestElicitationModern(t *testing.T) {
	c := dial(t, &Server{})
	modern := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}},"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}`
	c.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask",` + modern + `}}`)
	r := c.next()
	var result struct {
		ResultType    string                     `json:"resultType"`
		InputRequests map[string]json.RawMessage `json:"inputRequests"`
		RequestState  string                     `json:"requestState"`
	}
	if err := json.Unmarshal(r.Result, &result); err != nil || result.ResultType != "input_required" || result.InputRequests["q"] == nil || result.RequestState != "state" {
		t.Fatalf("want input_required, got %s", r.raw)
	}
	c.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"ask","inputResponses":{"q":{"action":"decline"}},"requestState":"state",` + modern + `}}`)
	if r := c.next(); !strings.Contains(r.raw, "decline") {
		t.Errorf("retry: %s", r.raw)
	}
}

// TestBatchBounds: a line of millions of tiny messages is refused as one, and not
// answered millions of times.
func TestBatchBounds(t *testing.T) {
	for name, line := range map[string]string{
		"empty":          "[]",
		"not JSON":       "[1,",
		"two documents":  "[1][2]",
		"millions":       "[" + strings.Repeat("1,", 3<<20) + "1]",
		"one over":       "[" + strings.Repeat(`{"jsonrpc":"2.0","method":"x"},`, DefaultInFlight) + `{"jsonrpc":"2.0","id":1,"method":"ping"}]`,
		"nested batches": "[" + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + "]",
	} {
		c := dial(t, &Server{})
		go io.WriteString(c.in, line+"\n"+`{"jsonrpc":"2.0","id":"after","method":"ping"}`+"\n") // nobody reads yet
		r := c.next()
		if r.Error == nil || r.Error.Code != invalidRequest || string(r.ID) != "null" {
			t.Errorf("%s: answered with %.200s", name, r.raw)
		}
		if r = c.next(); string(r.ID) != `"after"` || r.Error != nil {
			t.Errorf("%s: and then %.200s", name, r.raw)
		}
	}
}

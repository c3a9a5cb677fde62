package stdio

import (
	"strings"
	"testing"
)

func listening(id, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"subscriptions/listen","params":{` + params +
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
}

// TestSubscription: it is acknowledged under the client's id, stays open while
// others are answered, is silent once cancelled, and ends with the input.
func TestSubscription(t *testing.T) {
	c := dial(t, &Server{})
	filter := `"notifications":{"toolsListChanged":true},`
	for _, id := range []string{`7`, `"7"`} {
		c.send(listening(id, filter))
		want := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{},"_meta":{"io.modelcontextprotocol/subscriptionId":` + id + `}}}`
		if got := c.line(); got != want {
			t.Fatalf("acknowledged %s, want %s", got, want)
		}
	}
	c.send(call("8", "echo", `"text":"in between"`))
	if got := c.line(); !strings.Contains(got, "in between") {
		t.Fatalf("got %s", got)
	}
	c.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	c.send(call("9", "echo", `"text":"afterwards"`))
	if got := c.line(); !strings.Contains(got, "afterwards") {
		t.Fatalf("a cancelled subscription said %s", got)
	}
	c.in.Close()
	want := `{"jsonrpc":"2.0","id":"7","result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"7"}}}`
	if got := c.line(); got != want {
		t.Errorf("ended with %s, want %s", got, want)
	}
	if err := <-c.ended; err != nil {
		t.Error(err)
	}
}

func TestSubscriptionRefused(t *testing.T) {
	c := dial(t, &Server{})
	for _, line := range []string{
		listening("1", ""),
		listening("1", `"notifications":[],`),
		strings.Replace(listening("1", `"notifications":{},`), `,"io.modelcontextprotocol/clientCapabilities":{}`, "", 1),
	} {
		c.send(line)
		if got := c.line(); !strings.Contains(got, `"id":1,"error":{"code":-32602`) {
			t.Errorf("%s: %s", line, got)
		}
	}
	c.send(strings.Replace(listening("2", `"notifications":{},`), "2026-07-28", "2099-01-01", 1))
	if got := c.line(); !strings.Contains(got, `"id":2,"error":{"code":-32022`) {
		t.Errorf("an unknown revision: %s", got)
	}
}

func (c *client) line() string {
	c.t.Helper()
	if !c.lines.Scan() {
		c.t.Fatalf("nothing more was said: %v", c.lines.Err())
	}
	return c.lines.Text()
}

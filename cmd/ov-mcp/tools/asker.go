package tools

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/secret"
)

// asker makes and checks the state that a client carries from the question to
// the retry. It is bound to the tool and its arguments: an answer to one
// question cannot be used for another call.
type asker struct{ key [32]byte }

func newAsker() (a asker) {
	rand.Read(a.key[:])
	return a
}

// state is a question that was put, as the client carries it.
type state struct {
	Kind      string     `json:"kind"` // unlock, approve, put; confirm: a form, and no page
	Page      agent.Page `json:"page,omitzero"`
	Ref       secret.Ref `json:"ref,omitzero"`
	Confirmed uint64     `json:"confirmed,omitempty"` // the version whose deletion was, or is being, agreed to
	Until     int64      `json:"until"`
}

func (a asker) seal(c *call, tool string, s state) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(a.mac(c, tool, b))
}

func (a asker) open(c *call, tool, text string) (s state, err error) {
	refused := fault{"invalid_arguments", "requestState is not the one of this call", "call the tool again without it"}
	body, sum, _ := strings.Cut(text, ".")
	b, err1 := base64.RawURLEncoding.DecodeString(body)
	mac, err2 := base64.RawURLEncoding.DecodeString(sum)
	if err1 != nil || err2 != nil || !hmac.Equal(mac, a.mac(c, tool, b)) || json.Unmarshal(b, &s) != nil {
		return s, refused
	}
	if time.Now().Unix() > s.Until {
		return s, fault{"expired", "the page was not answered in time", "call the tool again for a new one"}
	}
	return s, nil
}

func (a asker) mac(c *call, tool string, body []byte) []byte {
	args, _ := json.Marshal(c.raw) // a map's keys are sorted
	m := hmac.New(sha256.New, a.key[:])
	for _, part := range [][]byte{[]byte(tool), []byte(c.client), args, body} {
		fmt.Fprintf(m, "%d:", len(part))
		m.Write(part)
	}
	return m.Sum(nil)
}

package audit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"
	"time"
	"unicode/utf8"
)

// A line is a JSON object whose last member is its MAC:
//
//	{...,"mac":"64 hex digits"}\n
//
// over the MAC of the line before (32 bytes, zeros for the first) and the bytes
// of the line that stand before `,"mac":"`.
const (
	macOpen  = `,"mac":"`
	macClose = `"}`
	macTail  = len(macOpen) + 2*macSize + len(macClose)
)

// appendLine appends body (a JSON object) as a line of the chain and returns
// its MAC.
func appendLine(out, body []byte, h hash.Hash, prev [macSize]byte) ([]byte, [macSize]byte) {
	body = body[:len(body)-1] // the closing brace comes after the MAC
	mac := chain(h, prev, body)
	out = append(out, body...)
	out = append(out, macOpen...)
	out = hex.AppendEncode(out, mac[:])
	out = append(out, macClose...)
	return append(out, '\n'), mac
}

// chain is the MAC of a line.
func chain(h hash.Hash, prev [macSize]byte, body []byte) (mac [macSize]byte) {
	h.Reset()
	h.Write(prev[:])
	h.Write(body)
	h.Sum(mac[:0])
	return mac
}

// splitLine parts a line, without its newline, into what is MACed and the MAC.
func splitLine(line []byte) (body []byte, mac [macSize]byte, ok bool) {
	n := len(line) - macTail
	if n < 1 || string(line[n:n+len(macOpen)]) != macOpen || string(line[len(line)-len(macClose):]) != macClose {
		return nil, mac, false
	}
	text := line[n+len(macOpen) : len(line)-len(macClose)]
	if _, err := hex.Decode(mac[:], text); err != nil || bytes.ContainsAny(text, "ABCDEF") {
		return nil, mac, false
	}
	return line[:n], mac, true
}

// Lines that are no records say what they are in their first member.
const (
	startPrefix = `{"start":`
	sealPrefix  = `{"seal":`
	rekeyPrefix = `{"rekey":`
	prunePrefix = `{"prune":`
)

// special reports whether a line is none of the records.
func special(line []byte) bool {
	return bytes.HasPrefix(line, []byte(startPrefix)) || bytes.HasPrefix(line, []byte(sealPrefix)) || bytes.HasPrefix(line, []byte(rekeyPrefix)) ||
		bytes.HasPrefix(line, []byte(prunePrefix))
}

// A start is the first line of a log.
type start struct {
	Start string    `json:"start"` // id of the log, random
	Time  time.Time `json:"t"`
	Key   string    `json:"key"`             // id of the key that MACs
	Next  string    `json:"next"`            // verifier of the first epoch
	After string    `json:"after,omitempty"` // why an older log was set aside
}

// A sealLine ends an epoch.
type sealLine struct {
	Seal uint64 `json:"seal"` // number of the epoch, from 0
	Note string `json:"note"` // signed by the epoch's key, see epoch.go
}

// A rekey says that the lines after it are MACed with another key.
type rekey struct {
	Rekey string    `json:"rekey"` // id of that key
	Time  time.Time `json:"t"`
}

// entry makes the line's content of r.
func (r Record) entry(n uint64, k *keys) (Entry, error) {
	if len(r.Names) > maxNames {
		return Entry{}, fmt.Errorf("%d names in one record", len(r.Names))
	}
	e := Entry{
		N: n, Time: r.Time.UTC().Truncate(time.Millisecond), Op: clip(r.Op), Space: clip(r.Space), Event: clip(r.Event),
		Actor: r.Actor, Argv: clip(r.Argv), Reason: clip(r.Reason), Run: clip(r.Run), Exit: r.Exit, Signal: clip(r.Signal),
	}
	e.Actor.Device, e.Actor.Exe, e.Actor.Client = clip(r.Actor.Device), clip(r.Actor.Exe), clip(r.Actor.Client)
	for _, name := range r.Names {
		e.Names = append(e.Names, k.hide(name))
	}
	for _, rule := range r.Limits {
		e.Limits = append(e.Limits, k.hide(limitLabel+rule))
	}
	for _, c := range r.Masked {
		c.Lane, c.Rule = clip(c.Lane), clip(c.Rule)
		if c.Name != "" {
			c.Name = k.hide(c.Name)
		}
		e.Masked = append(e.Masked, c)
	}
	return e, nil
}

// limitLabel keeps a rule's name apart from a secret's: none of those has a
// space in it.
const limitLabel = "limit "

// clip cuts text to what a line may carry.
func clip(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.ToValidUTF8(s, string(utf8.RuneError))
}

// String is the human view of a record:
//
//	2026-04-13T10:23:41Z vault_run my-project/development ACCESSED [hmac:a3f9...]
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", e.Time.UTC().Format(time.RFC3339), plain(e.Op))
	if e.Space != "" {
		b.WriteString(" " + plain(e.Space))
	}
	b.WriteString(" " + plain(e.Event))
	if len(e.Names) > 0 {
		b.WriteString(" [")
		for i, n := range e.Names {
			if i > 0 {
				b.WriteString(" ")
			}
			b.WriteString("hmac:" + plain(n[:min(len(n), 8)]))
		}
		b.WriteString("]")
	}
	switch {
	case e.Event == "COMPLETED" && e.Reason != "": // ov stopped it, or no child was started: there is no status of its own
		b.WriteString(" failed=" + plain(e.Reason))
	case e.Exit != nil:
		fmt.Fprintf(&b, " exit=%d", *e.Exit)
	}
	if e.Signal != "" {
		b.WriteString(" signal=" + plain(e.Signal))
	}
	var masked, passed int64
	for _, c := range e.Masked {
		if strings.HasPrefix(c.Rule, "passed ") { // found, and let through as the policy says
			passed += c.N
		} else {
			masked += c.N
		}
	}
	if masked > 0 {
		fmt.Fprintf(&b, " masked=%d", masked)
	}
	if passed > 0 {
		fmt.Fprintf(&b, " passed=%d", passed)
	}
	if e.Actor.Client != "" {
		b.WriteString(" client=" + plain(e.Actor.Client))
	}
	if strings.HasPrefix(e.Op, "share") || e.Op == "member_commit" { // who it was about stands there, in ov's own words
		b.WriteString(" " + plain(e.Reason))
	}
	return strings.TrimRight(b.String(), " ")
}

// plain keeps what somebody else wrote from speaking to a terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("audit: marshal a line: " + err.Error()) // only plain fields: cannot fail
	}
	return b
}

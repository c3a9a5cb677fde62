package serve

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/opaquevault/ov/core/agent"
	"github.com/opaquevault/ov/core/agent/wire"
	"github.com/opaquevault/ov/core/audit"
	"github.com/opaquevault/ov/core/secret"
)

// maxReason keeps what a client gives as its reason to a line.
const maxReason = 200

// record begins the audit record of a request of c.
func (c *client) record(op, space, event, reason string, refs ...secret.Ref) audit.Record {
	r := audit.Record{Op: op, Space: space, Event: event, Actor: c.actor.audit(""), Reason: oneLine(reason)}
	for _, ref := range refs {
		r.Names = append(r.Names, ref.String())
	}
	return r
}

// oneLine keeps s printable and short.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) { // bidi overrides, too
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason])
	}
	return s
}

// note makes records durable. Whoever gets an error opens nothing.
func (o *opened) note(records ...audit.Record) error {
	return write(o.log, o.vault.Device(), records)
}

// write appends records as done on device. Every failure is an audit.ErrAudit.
func write(log Log, device string, records []audit.Record) error {
	for i := range records {
		records[i].Actor.Device = device
	}
	err := log.Append(records...)
	if err != nil && !errors.Is(err, audit.ErrAudit) {
		err = fmt.Errorf("%w: %w", audit.ErrAudit, err)
	}
	return err
}

// argvDigest identifies a command line without giving it away: arguments may
// hold what should not be in a log.
func (o *opened) argvDigest(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	key := o.vault.Derive("ov/v1/audit-argv")
	defer clear(key)
	mac := hmac.New(sha256.New, key)
	for _, arg := range argv {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(arg)))
		mac.Write(n[:])
		io.WriteString(mac, arg)
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// newID returns 128 random bits for a grant.
func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// maxPage bounds a page of the log: what one answer may hold.
const maxPage = 10_000

// sinceSecond is the time of a query as the log has it: records carry whole seconds.
func sinceSecond(q agent.AuditQuery) time.Time { return q.Since.Truncate(time.Second) }

func (s *Server) opAuditShow(_ context.Context, _ *client, f *wire.Frame) (answer, error) {
	var q agent.AuditQuery
	if err := args(f, &q); err != nil {
		return answer{}, err
	}
	s.late.Wait()
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	limit := q.Limit
	if !q.Since.IsZero() {
		limit = 0
	}
	var entries []audit.Entry
	switch {
	case q.First > 0:
		entries, err = o.log.Page(q.After, min(q.First, maxPage), sinceSecond(q))
	case q.Name != "":
		entries, err = o.log.Grep(q.Name)
	default:
		entries, err = o.log.Show(limit)
	}
	if err != nil {
		return answer{}, err
	}
	out := []agent.AuditLine{}
	for _, e := range entries {
		if e.Time.Before(sinceSecond(q)) {
			continue
		}
		raw, err := json.Marshal(e)
		if err != nil {
			return answer{}, err
		}
		l := agent.AuditLine{Text: e.String(), Record: raw, Number: e.N}
		if q.First > 0 {
			l.Syslog = e.Syslog()
		}
		out = append(out, l)
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[len(out)-q.Limit:]
	}
	return answer{args: out}, nil
}

func (s *Server) opAuditVerify(context.Context, *client, *wire.Frame) (answer, error) {
	s.late.Wait()
	o, done, err := s.use()
	if err != nil {
		return answer{}, err
	}
	defer done()
	r, err := o.log.Verify()
	return answer{args: publicAudit(r)}, err
}

package audit

import (
	"fmt"
	"strings"
)

// privateEnterprise is the number for documentation and examples (RFC 5612):
// ov has none of its own.
const privateEnterprise = "32473"

// Syslog returns the record as an RFC 5424 message: facility 13 (log audit),
// severity notice, or warning for what was denied.
func (e Entry) Syslog() string {
	severity := 5
	if e.Event == "DENIED" {
		severity = 4
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<%d>1 %s - ov %d %s [ov@%s n=\"%d\"", 13*8+severity, e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), e.Actor.PID, msgID(e.Op), privateEnterprise, e.N)
	param := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, ` %s="%s"`, name, paramValue.Replace(plain(value)))
		}
	}
	param("space", e.Space)
	param("event", e.Event)
	param("names", strings.Join(e.Names, ","))
	param("client", e.Actor.Client)
	param("exe", e.Actor.Exe)
	param("uid", fmt.Sprint(e.Actor.UID))
	param("device", e.Actor.Device)
	param("argv", e.Argv)
	param("run", e.Run)
	param("reason", e.Reason)
	param("signal", e.Signal)
	if e.Exit != nil {
		param("exit", fmt.Sprint(*e.Exit))
	}
	fmt.Fprintf(&b, "] %s", e)
	return b.String()
}

// paramValue escapes what RFC 5424, section 6.3.3, says.
var paramValue = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// msgID is a MSGID: 1 to 32 printable ASCII characters.
func msgID(op string) string {
	id := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, op)
	if id == "" {
		return "-"
	}
	return id[:min(len(id), 32)]
}

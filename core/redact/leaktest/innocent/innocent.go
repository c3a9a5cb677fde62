// Package innocent is what the masking must leave alone: a vault of realistic
// secrets, and output in which none of them occurs. For tests only.
package innocent

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
)

// Write writes at least n bytes of output, the same for the same seed: what programs
// print that use the secrets of Vault and keep them to themselves. It names the
// hosts, the users, the databases and the projects of the vault, and shows
// tokens, keys and documents of the same types with other values.
func Write(w io.Writer, n int64, seed uint64) error {
	out := &counter{w: w}
	g := &generator{rand.New(rand.NewPCG(seed, 7)), bufio.NewWriterSize(out, 1<<16)}
	printers := []func(*generator){
		(*generator).log, (*generator).json, (*generator).log, (*generator).table, (*generator).prose, (*generator).connect,
		(*generator).config, (*generator).dump, (*generator).code, (*generator).keys, (*generator).progress,
	}
	for out.n < n {
		printers[g.IntN(len(printers))](g)
		if err := g.w.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

type generator struct {
	*rand.Rand
	w *bufio.Writer
}

func (g *generator) f(format string, args ...any) { fmt.Fprintf(g.w, format, args...) }

// of returns n characters of an alphabet.
func of(r *rand.Rand, alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (g *generator) hex(n int) string { return of(g.Rand, "0123456789abcdef", n) }

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

var vocabulary = strings.Fields(`connection request failed timeout user session started completed processing handler database query
index shard replica token cache miss hit retry attempt upstream downstream pod container image pull deployed version config loaded key secret
value service worker queue message published the of to in for with from error warning panic goroutine stack trace status production staging
password credentials rotated expired authentication authorization postgres postgresql mysql redis mongodb amqp https localhost certificate
private public begin end account project client email universe domain googleapis`)

func (g *generator) word() string { return vocabulary[g.IntN(len(vocabulary))] }

func (g *generator) words(n int) string {
	w := make([]string, n)
	for i := range w {
		w[i] = g.word()
	}
	return strings.Join(w, " ")
}

func (g *generator) stamp() string {
	return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ", 1+g.IntN(12), 1+g.IntN(28), g.IntN(24), g.IntN(60), g.IntN(60), g.IntN(1000))
}

func (g *generator) uuid() string {
	h := g.hex(32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (g *generator) log() {
	for range 40 {
		g.f("%s %s [%s-%d] %s req_id=%s dur=%dms ip=10.%d.%d.%d:%d\n", g.stamp(), []string{"INFO", "WARN", "ERROR"}[g.IntN(3)],
			g.word(), g.IntN(32), g.words(3+g.IntN(9)), g.hex(32), g.IntN(1000), g.IntN(256), g.IntN(256), g.IntN(256), g.IntN(65536))
	}
}

func (g *generator) json() {
	for range 20 {
		g.f(`{"ts":%d.%03d,"level":"info","caller":"%s/%s.go:%d","msg":"%s","trace_id":"%s","id":"%s","etag":"W/\"%s\"","values":[%d,%d,%d.%d],"ok":%v}`+"\n",
			1700000000+g.IntN(1e8), g.IntN(1000), g.word(), g.word(), g.IntN(900), g.words(4), g.hex(32), g.uuid(), g.hex(40), g.IntN(256), g.IntN(256), g.IntN(1000), g.IntN(100), g.IntN(2) == 0)
	}
}

func (g *generator) table() {
	g.f("NAMESPACE     NAME                       READY   STATUS    RESTARTS   AGE\n")
	for range 20 {
		g.f("%-13s %s-%s-%s   1/1     Running   %d   %dd\n", g.word(), g.word(), of(g.Rand, "bcdfghjklmnpqrstvwxz2456789", 10), of(g.Rand, "bcdfghjklmnpqrstvwxz2456789", 5), g.IntN(9), g.IntN(99))
	}
}

func (g *generator) prose() {
	for range 10 {
		s := g.words(8 + g.IntN(20))
		g.f("%s%s.\n", strings.ToUpper(s[:1]), s[1:])
	}
}

// connect says what a client says that uses a secret of the vault.
func (g *generator) connect() {
	for range 5 {
		h := hosts[g.IntN(len(hosts))]
		g.f("%s connecting to postgres://app:***@%s:5432/production?sslmode=require\n", g.stamp(), h)
		g.f("psql: error: connection to server at \"%s\" (10.0.%d.%d), port 5432 failed: FATAL: password authentication failed for user \"app\"\n", h, g.IntN(256), g.IntN(256))
		g.f("GET https://%s/services/ 200\n", h)
		g.f("Activated service account credentials for: [deployer@acme-prod-271828.iam.gserviceaccount.com]\n")
		g.f("aws_access_key_id = AKIA%s\n", of(g.Rand, upper32, 16))
	}
}

// config prints files with the skeletons of those in the vault.
func (g *generator) config() {
	g.f("%s", serviceAccount(g.Rand, "other-project-"+of(g.Rand, "0123456789", 6), g.bytes(700)))
	g.f("%s", kubeconfig(g.Rand))
	g.f("apiVersion: v1\nkind: Secret\ntype: Opaque\nmetadata:\n  name: %s\n  namespace: %s\ndata:\n  password: %s\n", g.word(), g.word(), base64.StdEncoding.EncodeToString(g.bytes(24)))
	g.f("DB_HOST=localhost\nDB_USER=app\nDB_NAME=production\nLOG_LEVEL=debug\n")
}

func (g *generator) dump() {
	b := g.bytes(256)
	g.f("%s\n%s\n", hex.Dump(b), strings.ToUpper(hex.EncodeToString(b[:64])))
	for i := 0; i+57 <= len(b); i += 57 {
		g.f("%s\n", base64.StdEncoding.EncodeToString(b[i:i+57]))
	}
	g.f("%v\n% x\n%o\n%q\n", b[:64], b[:64], b[:32], b[:32])
	g.f("%x\n", g.words(12))
	g.f("%s\n", base64.StdEncoding.EncodeToString([]byte(g.words(12))))
}

func (g *generator) code() {
	for i := range 10 {
		g.f("func %s%d(ctx context.Context, %s *%s) error {\n\treturn fmt.Errorf(\"%s: %%w\", err) // %s\n}\n", g.word(), i, g.word(), g.word(), g.words(3), g.words(6))
		g.f("#define MAGIC 0x%s\nconst char table[] = \"\\x%s\\x%s\\u00%s\\%03o\";\n", g.hex(8), g.hex(2), g.hex(2), g.hex(2), g.IntN(256))
	}
}

// keys prints keys that are public, and private ones of somebody else.
func (g *generator) keys() {
	g.f("%s", pem(g.Rand, "PUBLIC KEY", "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", 300))
	g.f("%s", pem(g.Rand, "CERTIFICATE", "MIIDdzCCAl+gAwIBAgIE", 700))
	g.f("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI%s deploy@host\n", of(g.Rand, b64, 43))
	g.f("%s", privateKey(g.Rand))
	g.f("%s\n", token(g.Rand))
}

func (g *generator) progress() {
	for i := range 20 {
		g.f("\x1b[2K\r\x1b[32m%3d%%\x1b[0m [%s>%s] %d/%d MB", i*5, strings.Repeat("=", i), strings.Repeat(" ", 20-i), i, 20)
	}
	g.f("\r\n")
}

// Package benchdata makes secrets and streams for benchmarks, the same ones each
// time. For tests only.
package benchdata

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
)

const (
	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits = "0123456789abcdef"
	signs  = base62 + `!@#$%^&*-_+=<>"'/\`
	b64    = base62 + "+/"
)

type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(seed, 42))} }

func (r source) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// secret makes one of eight kinds of 20 to 64 bytes.
func (r source) secret(kind int) string {
	switch kind % 8 {
	case 0:
		return "ghp_" + r.of(base62, 36)
	case 1:
		return "sk_live_" + r.of(base62, 24)
	case 2:
		return "AKIA" + r.of(base32, 16)
	case 3:
		return r.of(b64, 40)
	case 4:
		return r.of(digits, 64)
	case 5:
		return "xoxb-" + r.of("0123456789", 12) + "-" + r.of(base62, 24)
	case 6:
		return r.of(signs, 20+r.IntN(13))
	}
	return fmt.Sprintf("%s-%s-4%s-a%s-%s", r.of(digits, 8), r.of(digits, 4), r.of(digits, 3), r.of(digits, 3), r.of(digits, 12))
}

// Secrets returns n needles of 20 to 128 bytes. Above a thousand they are those
// and their encodings.
func Secrets(n int) [][]byte {
	r := newSource(1)
	var all [][]byte
	var base []string
	for i := range min(n, 1000) {
		base = append(base, r.secret(i))
		all = append(all, []byte(base[i]))
	}
	seen := map[string]bool{}
	add := func(s string) {
		if len(s) >= 20 && !seen[s] && len(all) < n {
			seen[s] = true
			all = append(all, []byte(s))
		}
	}
	for i := 0; len(all) < n; i++ {
		if i == len(base) {
			base = append(base, r.secret(i))
			add(base[i])
		}
		s := base[i]
		for shift := range 3 {
			e := base64.StdEncoding.EncodeToString(append(make([]byte, shift), s...))
			add(e[[]int{0, 2, 3}[shift] : (shift+len(s))*8/6])
		}
		add(hex.EncodeToString([]byte(s)))
		add(url.QueryEscape(s))
		q := fmt.Sprintf("%q", s)
		add(q[1 : len(q)-1])
		b := []byte(s)
		slices.Reverse(b)
		add(string(b))
	}
	return all
}

// Short returns n needles of 8 bytes.
func Short(n int) [][]byte {
	r := newSource(2)
	all := make([][]byte, n)
	for i := range all {
		all[i] = []byte(r.of(base62, 8))
	}
	return all
}

// OneLetter returns n needles of one letter and another at the end.
func OneLetter(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		b := make([]byte, 20+i%45)
		for k := range b {
			b[k] = 'a'
		}
		b[len(b)-1] = byte('b' + i/45)
		all[i] = b
	}
	return all
}

// Inputs are the names that Input takes.
var Inputs = []string{"log", "json", "base64", "binary"}

// Input makes a stream of size bytes with about one of the needles in a MiB.
func Input(name string, size int, needles [][]byte) []byte {
	r := newSource(3)
	b := make([]byte, 0, size+4096)
	next := 1 << 19
	for at := 1_700_000_000; len(b) < size; {
		switch name {
		case "log":
			at += r.IntN(3)
			b = r.log(b, at)
		case "json":
			b = r.json(b)
		case "base64":
			b = append(base64.StdEncoding.AppendEncode(b, r.bytes(57)), '\n')
		case "binary":
			b = append(b, r.bytes(4096)...)
		default:
			panic("no input is called " + name)
		}
		if len(b) >= next && len(needles) > 0 {
			next += 1 << 20
			b = append(b, needles[r.IntN(len(needles))]...)
		}
	}
	return b[:size]
}

// Flood makes a stream of beginnings of needles and of needles whose last byte
// is wrong.
func Flood(size int, needles [][]byte) []byte {
	r := newSource(4)
	b := make([]byte, 0, size+4096)
	for len(b) < size {
		n := needles[r.IntN(len(needles))]
		if r.IntN(3) < 2 {
			b = append(append(b, n[:4+r.IntN(len(n)-4)]...), '~')
		} else {
			b = append(append(b, n[:len(n)-1]...), 1)
		}
	}
	return b[:size]
}

// Wrong makes a stream of needles in which one byte is wrong, anywhere.
func Wrong(size int, needles [][]byte) []byte {
	r := newSource(5)
	b := make([]byte, 0, size+4096)
	for len(b) < size {
		n := needles[r.IntN(len(needles))]
		at := len(b) + r.IntN(len(n))
		b = append(b, n...)
		b[at] ^= 1
	}
	return b[:size]
}

func (r source) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

var words = []string{
	"connection", "request", "failed", "timeout", "user", "session", "started", "completed", "processing", "handler", "database",
	"query", "index", "shard", "replica", "token", "cache", "miss", "hit", "retry", "attempt", "upstream", "downstream", "pod",
	"container", "image", "pull", "deployed", "version", "config", "loaded", "key", "secret", "value", "service", "worker", "queue",
	"message", "published", "the", "of", "to", "in", "for", "with", "from", "error", "warning", "panic", "goroutine", "stack",
	"trace", "GET", "POST", "PUT", "DELETE", "/api/v1/users", "/healthz", "/metrics", "status", "200", "404", "500",
	"application/json", "live", "test", "sk_test", "Authorization:", "Bearer", "sha256", "compiling", "linking", "src/main.go",
	"node_modules", "package", "build", "passed", "skipped", "assertion",
}

var levels = []string{"INFO", "DEBUG", "WARN", "ERROR"}

func (r source) word() string { return words[r.IntN(len(words))] }

func (r source) log(b []byte, t int) []byte {
	b = fmt.Appendf(b, "2026-%02d-%02dT%02d:%02d:%02d.%06dZ %s [%s-%d] ", t/2592000%12+1, t/86400%28+1, t/3600%24, t/60%60, t%60,
		r.IntN(1000000), levels[r.IntN(4)], r.word(), r.IntN(32))
	for range 3 + r.IntN(12) {
		b = append(append(b, r.word()...), ' ')
	}
	switch r.IntN(5) {
	case 0:
		b = fmt.Appendf(b, "req_id=%s dur=%dms ", r.of(digits, 32), r.IntN(1000))
	case 1:
		b = fmt.Appendf(b, "ip=10.%d.%d.%d:%d ", r.IntN(256), r.IntN(256), r.IntN(256), r.IntN(65536))
	}
	return append(b, '\n')
}

func (r source) json(b []byte) []byte {
	return fmt.Appendf(b, `{"ts":%d.%06d,"level":"%s","caller":"%s/%s.go:%d","msg":"%s %s %s %s","trace_id":"%s","user":{"id":%d,"email":"%s@example.com","roles":["%s","%s"]},"latency_ms":%d.%d,"ok":%v}`+"\n",
		1700000000+r.IntN(100000), r.IntN(1000000), levels[r.IntN(4)], r.word(), r.word(), r.IntN(900), r.word(), r.word(), r.word(), r.word(),
		r.of(digits, 32), r.IntN(1<<20), r.of("abcdefghij", 6), r.word(), r.word(), r.IntN(1000), r.IntN(1000), r.IntN(2) == 0)
}

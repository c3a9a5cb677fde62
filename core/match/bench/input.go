package main

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
)

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base62 = digits + upper + lower
	base16 = "0123456789abcdef"
)

// A source makes secrets and inputs, the same for the same seed.
type source struct{ *rand.Rand }

func newSource(seed uint64) source { return source{rand.New(rand.NewPCG(42, seed))} }

func (r source) of(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// secret returns a secret of one of eight types, of 20 to 64 bytes.
func (r source) secret(i int) string {
	switch i % 8 {
	case 0:
		return "ghp_" + r.of(base62, 36)
	case 1:
		return "sk_live_" + r.of(base62, 24)
	case 2:
		return "AKIA" + r.of(upper+"234567", 16)
	case 3:
		return r.of(base62+"+/", 40)
	case 4:
		return r.of(base16, 64)
	case 5:
		return "xoxb-" + r.of(digits, 12) + "-" + r.of(base62, 24)
	case 6:
		return r.of(base62+"!@#$%^&*-_+=<>\"'/\\", 20+r.IntN(13))
	}
	return r.of(base16, 8) + "-" + r.of(base16, 4) + "-4" + r.of(base16, 3) + "-a" + r.of(base16, 3) + "-" + r.of(base16, 12)
}

// secrets returns n different needles: 1,000 secrets and, for more than those,
// the encodings of secrets.
func secrets(n int) []string {
	r := newSource(1)
	var all []string
	seen := map[string]bool{}
	add := func(s string) {
		if len(s) >= 16 && !seen[s] {
			seen[s] = true
			all = append(all, s)
		}
	}
	var values []string
	for i := range 1000 {
		values = append(values, r.secret(i))
		add(values[i])
	}
	for i := 0; len(all) < n; i++ {
		if i == len(values) {
			values = append(values, r.secret(i))
			add(values[i])
		}
		v := []byte(values[i])
		for shift := range 3 {
			s := base64.StdEncoding.EncodeToString(append(make([]byte, shift), v...))
			add(s[(8*shift+5)/6 : (shift+len(v))*8/6])
		}
		add(hex.EncodeToString(v))
		add(url.QueryEscape(values[i]))
		q := fmt.Sprintf("%q", v)
		add(q[1 : len(q)-1])
		slices.Reverse(v)
		add(string(v))
	}
	return all[:n]
}

// periodic returns n needles of one letter but for their last byte.
func periodic(n int) []string {
	all := make([]string, n)
	for i := range all {
		size := 20 + i%45
		all[i] = strings.Repeat("a", size-1) + string(rune('b'+i/45))
	}
	return all
}

// short returns n needles of eight bytes.
func short(n int) []string {
	r := newSource(2)
	all := make([]string, n)
	for i := range all {
		all[i] = r.of(base62, 8)
	}
	return all
}

// An input is a text to search, with about one secret a mebibyte.
type input struct {
	source
	buf     []byte
	size    int
	next    int
	secrets []string
}

func newInput(size int, secrets []string) *input {
	return &input{source: newSource(3), buf: make([]byte, 0, size+1<<16), size: size, next: 1 << 19, secrets: secrets}
}

func (x *input) f(format string, args ...any) { x.buf = fmt.Appendf(x.buf, format, args...) }

// hit adds a secret if it is time for one.
func (x *input) hit(before, after string) {
	if len(x.buf) >= x.next {
		x.next += 1 << 20
		x.f("%s%s%s", before, x.secrets[x.IntN(len(x.secrets))], after)
	}
}

// fill repeats a printer until the input is as long as it should be.
func (x *input) fill(print func(*input)) []byte {
	for len(x.buf) < x.size {
		print(x)
	}
	return x.buf[:x.size]
}

var vocabulary = strings.Fields(`connection request failed timeout user session started completed processing handler database query index shard
replica token cache miss hit retry attempt upstream downstream pod container image pull deployed version config loaded key secret value service
worker queue message published the of to in for with from error warning panic goroutine stack trace GET POST PUT DELETE /api/v1/users /healthz
/metrics status 200 404 500 application/json live test sk_test Authorization: Bearer sha256 compiling linking src/main.go node_modules package
build passed skipped assertion`)

func (x *input) word() string { return vocabulary[x.IntN(len(vocabulary))] }

func (x *input) log() {
	x.f("2026-%02d-%02dT%02d:%02d:%02d.%06dZ %s [%s-%d] ", 1+x.IntN(12), 1+x.IntN(28), x.IntN(24), x.IntN(60), x.IntN(60), x.IntN(1000000),
		[]string{"INFO", "DEBUG", "WARN", "ERROR"}[x.IntN(4)], x.word(), x.IntN(32))
	for range 3 + x.IntN(12) {
		x.f("%s ", x.word())
	}
	switch x.IntN(5) {
	case 0:
		x.f("req_id=%s dur=%dms ", x.of(base16, 32), x.IntN(1000))
	case 1:
		x.f("ip=10.%d.%d.%d:%d ", x.IntN(256), x.IntN(256), x.IntN(256), x.IntN(65536))
	}
	x.hit("", "")
	x.f("\n")
}

// calm is log without the words behind which a token is looked for.
func (x *input) calm() {
	start := len(x.buf)
	x.log()
	line := strings.NewReplacer("Authorization:", "authority", "Bearer", "carrier", "sk_test", "unit_test").Replace(string(x.buf[start:]))
	x.buf = append(x.buf[:start], line...)
}

// tokens is a line with a token that was not seen before.
func (x *input) tokens() {
	x.f("%s issued token ghp_%s to %s\n", x.word(), x.of(base62, 36), x.word())
}

func (x *input) json() {
	x.f(`{"ts":%d.%06d,"level":"info","caller":"%s/%s.go:%d","msg":"%s %s %s %s","trace_id":"%s","user":{"id":%d,"email":"%s@example.com","roles":["%s","%s"]},"latency_ms":%d.%d,"ok":true`,
		1700000000+x.IntN(100000), x.IntN(1000000), x.word(), x.word(), x.IntN(900), x.word(), x.word(), x.word(), x.word(), x.of(base16, 32),
		x.IntN(1<<20), x.of(lower[:10], 6), x.word(), x.word(), x.IntN(1000), x.IntN(1000))
	x.hit(`,"auth":"`, `"`)
	x.f("}\n")
}

func (x *input) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(x.Uint32())
	}
	return b
}

func (x *input) base64() {
	x.f("%s", base64.StdEncoding.EncodeToString(x.random(57)))
	x.hit("", "")
	x.f("\n")
}

func (x *input) binary() {
	x.buf = append(x.buf, x.random(4096)...)
	x.hit("", "")
}

// flood is made of near-prefixes of the secrets, and of all of them but the last byte.
func (x *input) flood() {
	s := x.secrets[x.IntN(len(x.secrets))]
	if x.IntN(3) == 2 {
		x.f("%s\x01", s[:len(s)-1])
	} else {
		x.f("%s~", s[:4+x.IntN(len(s)-4)])
	}
	x.hit("", "")
}

// letter is one letter for ever.
func (x *input) letter() { x.buf = append(x.buf, strings.Repeat("a", 4096)...) }

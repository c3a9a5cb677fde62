package builtin

import (
	"bytes"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// floods are inputs made to cost: nothing but what makes a rule look.
var floods = map[string]string{
	"data":     "\ndata:",
	"begin":    "-----BEGIN ",
	"key":      "-----BEGIN PRIVATE KEY-----\n",
	"jwt":      " eyJ",
	"jwtrun":   "-eyJ",
	"password": "password:",
	"token":    "token token ",
	"url":      "://a:",
	"otpauth":  "otpauth://",
	"ghp":      " ghp_",
	"pem64":    " LS0tLS1CRUdJTi",
	"cookie":   "cookie:",
	"curl":     "curl -u ",
	"json":     `"data": {`,
	"at":       "://a@",
	"quotes":   `password="`,
}

// BenchmarkFlood is the floor: every rule on, 64 KiB writes and bytes one by one.
func BenchmarkFlood(b *testing.B) {
	for name, unit := range floods {
		in := bytes.Repeat([]byte(unit), 1<<20/len(unit))
		b.Run(name, func(b *testing.B) { run(b, scan.Strict, in) })
	}
}

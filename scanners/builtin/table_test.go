package builtin

import (
	"strings"
	"testing"

	"github.com/opaquevault/ov/core/scan"
)

// TestPrefixes holds each row against its own example and counter-example, in
// contexts that a vendor's token is printed in.
func TestPrefixes(t *testing.T) {
	rows := prefixes()
	if len(rows) < 150 {
		t.Fatalf("%d prefix rules", len(rows))
	}
	set := compile(t, scan.Strict)
	seen := map[string]bool{}
	for _, p := range rows {
		if seen[p.id] {
			t.Errorf("%s is there twice", p.id)
		}
		seen[p.id] = true
		if p.source == "" || p.eg == "" || p.no == "" || p.exact && p.max < p.min {
			t.Errorf("%s is incomplete", p.id)
		}
		for _, k := range p.keys {
			token := k + p.eg
			for _, c := range [][2]string{{"", "\n"}, {"x=", "&y"}, {"\x1b[32m", "\x1b[0m"}, {`{"a":"`, `"}`}, {`\n`, `\n`}, {"k%3D", "%26"}, {"(", ")"}, {"> ", " <"}} {
				out, found := mask(t, set, []byte(c[0]+token+c[1]))
				if strings.Contains(out, p.eg[:8]) || !names(found, p.id) {
					t.Errorf("%s in %q: %q, found %q", p.id, c, out, found)
				}
			}
		}
		if _, found := mask(t, set, []byte(p.no)); names(found, p.id) {
			t.Errorf("%s finds its counter-example %q: %q", p.id, p.no, found)
		}
	}
}

// TestCode: names of code are no values, and values beside them still are.
func TestCode(t *testing.T) {
	set := compile(t, scan.Balanced)
	for _, text := range []string{
		"NL80211_ATTR_KEY = C.NL80211_ATTR_KEY_DEFAULT_MGMT\n", "KEY_CIPHER_KEY=C.NL80211_KEY_CIPHER,", "ICMPV6_FILTER_PASS        = C.ICMPV6_FILTER_PASS\n",
		`cmd.Env = append(os.Environ(), "PWD="+ts.cd, "DB_PASS="+x9Y.z4)` + "\n", "key: x509.KeyUsageCertSign | x509.KeyUsageKeyAgreement)", "private_key = ed25519.PrivateKey\n",
		"PrivateKey = ed25519.NewKeyFromSeed\n",
	} {
		if got, found := mask(t, set, []byte(text)); got != text {
			t.Errorf("%q becomes %q: %q", text, got, found)
		}
	}
	for _, text := range []string{
		`API_KEY="q7Zt4Vx9Lm2Rk8Wp"`, `- "DB_PASS='t0rn-Beetle_9'"`, `["API_KEY=q7Zt4Vx9Lm2Rk8Wp"]`, `{"api_key":"q7Zt4Vx9Lm2Rk8Wp"}`, "api_key=abc.Q7ZT4VX9LM2RK8WP", "api_key=7Kq2_Zt9L_x4Rm_8Wp1",
		"PASSWORD=ADMIN_PASS_2024", `"password" = "t0rn-Beetle_9"`,
	} {
		if got, _ := mask(t, set, []byte(text)); !strings.Contains(got, "[REDACTED:") {
			t.Errorf("%q passes", text)
		}
	}
}

// TestShapes: tokens whose literal stands within, with their counter-examples, at
// every cut.
func TestShapes(t *testing.T) {
	set := compile(t, scan.Precise)
	for _, c := range []struct{ id, secret, no string }{
		{"discord-bot-token", "MTE4NzY1NDMyMTA5ODc2NTQzMg.GhT4xQ.k7Qm2vZxT9nLw4Rj8sBf1Yc6Hd3Pg5Ue0AoKiq", "MTE4NzY1NDMyMTA5ODc2NTQzMg.GhT4xQ.short MTEtbm90LWEtbnVtYmVyLWF0LQ.GhT4xQ.k7Qm2vZxT9nLw4Rj8sBf1Yc6Hd3Pg5Ue0AoKiq"},
		{"azure-devops-token", "7Kq2Zt9Lx4Rm8Wp1Yc6Hd3Pg5Ue0AoJi7Bn4SfTv2Dq8Mz5Xk1Cg9Ry3Nh6Lw0Ba4Ej7PuQs2ToWAZDO4b2K", "the AZDO team; 7Kq2AZDO4b2K"},
		{"azure-key-annotated", "7Kq2Zt9Lx4Rm8Wp1Yc6Hd3Pg5Ue0AoJi7Bn4SfTv2Dq8Mz5Xk1CgJQQJ99BKACYeBjFXJ3w3AAABACOGxyz1", "7Kq2ZtJQQJ99BKACYeBjFXJ3w3AAABACOGxyz1"},
	} {
		for _, around := range [][2]string{{"", "\n"}, {"x=", "&y"}, {`"`, `"`}, {"(", ")"}, {"\x1b[1m", "\x1b[0m"}} {
			in := []byte(around[0] + c.secret + around[1])
			want := around[0] + "[REDACTED:" + c.id + "]" + around[1]
			for i := range in {
				if got, _ := mask(t, set, in[:i], in[i:]); got != want {
					t.Fatalf("%s cut at %d: %q, want %q", c.id, i, got, want)
				}
			}
		}
		if got, found := mask(t, set, []byte(c.no)); got != c.no {
			t.Errorf("%s: %q becomes %q: %q", c.id, c.no, got, found)
		}
	}
}

// TestLabels holds each label against its example and counter-example.
func TestLabels(t *testing.T) {
	set := compile(t, scan.Strict)
	for _, l := range labels {
		if l.source == "" || l.eg == "" || l.no == "" {
			t.Errorf("%s is incomplete", l.id)
		}
		if _, found := mask(t, set, []byte(l.eg)); !names(found, l.id) {
			t.Errorf("%s does not find its example %q: %q", l.id, l.eg, found)
		}
		if _, found := mask(t, set, []byte(l.no)); names(found, l.id) {
			t.Errorf("%s finds its counter-example %q: %q", l.id, l.no, found)
		}
	}
}

func names(found []string, id string) bool {
	for _, f := range found {
		if strings.HasPrefix(f, id+"\t") {
			return true
		}
	}
	return false
}

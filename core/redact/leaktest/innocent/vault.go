package innocent

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A Secret is one of the vault.
type Secret struct {
	Name  string
	Value string
}

const (
	digits   = "0123456789"
	lower    = "abcdefghijklmnopqrstuvwxyz"
	upper    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	base62   = digits + lower + upper
	hex16    = "0123456789abcdef"
	upper32  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	b64      = base62 + "+/"
	printing = base62 + "!@#$%^&*-_+=<>?.,;:~"
)

var hosts = []string{
	"orders-db.cluster-c7kx2m9qpl3d.eu-west-1.rds.amazonaws.com", "db.internal.example.com", "localhost", "hooks.slack.com",
	"cache-01.acme.internal", "cluster0.ab1cd.mongodb.net", "api.github.com", "o4501.ingest.sentry.io",
}

// Vault returns 50 secrets of the types that vaults hold, the same each time:
// keys, database URLs, PEM keys, passwords, documents.
func Vault() []Secret {
	r := rand.New(rand.NewPCG(50, 1))
	s := func(alphabet string, n int) string { return of(r, alphabet, n) }
	url := func(scheme string, host int, tail string) string {
		return scheme + "://app:" + s(base62, 20) + "@" + hosts[host] + tail
	}
	other := make([]byte, 1200)
	for i := range other {
		other[i] = byte(r.Uint32())
	}
	values := []string{
		"ghp_" + s(base62, 36), "github_pat_11" + s(base62, 20) + "_" + s(base62, 59), "gho_" + s(base62, 36), "glpat-" + s(base62, 20),
		"AKIA" + s(upper32, 16), s(b64, 40), "ASIA" + s(upper32, 16), "AIza" + s(base62, 35), "sk_live_" + s(base62, 24),
		"whsec_" + s(base62, 32), "xoxb-" + s(digits, 12) + "-" + s(digits, 12) + "-" + s(base62, 24),
		"https://hooks.slack.com/services/T" + s(upper32, 8) + "/B" + s(upper32, 8) + "/" + s(base62, 24),
		"https://" + s(hex16, 32) + "@o4501.ingest.sentry.io/4501", "npm_" + s(base62, 36), "dop_v1_" + s(hex16, 64),
		"SG." + s(base62, 22) + "." + s(base62, 43), "key-" + s(hex16, 32), "sk-ant-api03-" + s(base62, 80), "sk-proj-" + s(base62, 48),
		s(hex16, 32), s(hex16, 40), s(hex16, 64), s(b64, 43) + "=", s(b64, 86) + "==", uuid(r),
		url("postgres", 0, ":5432/production?sslmode=require"), url("postgresql", 1, "/orders"), url("mysql", 1, ":3306/shop"),
		url("redis", 4, ":6379/0"), url("mongodb+srv", 5, "/admin?retryWrites=true&w=majority"), url("amqps", 4, ":5671/vhost"),
		"Server=tcp:acme.database.windows.net,1433;Initial Catalog=production;User ID=app;Password=" + s(base62, 16) + ";Encrypt=True;",
		"DefaultEndpointsProtocol=https;AccountName=acmestorage;AccountKey=" + s(b64, 86) + "==;EndpointSuffix=core.windows.net",
		s(printing, 16), s(printing, 24), s(printing, 32), s(base62, 12), "Correct-Horse-" + s(digits, 4) + "-Battery-Staple", "Winter" + s(base62, 8) + "!",
		s(digits, 16), token(r), token(r),
		privateKey(r), pem(r, "RSA PRIVATE KEY", "MIIEpAIBAAKCAQEA", 1100), pem(r, "EC PRIVATE KEY", "MHcCAQEEI", 112),
		pem(r, "OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQAAACA", 220),
		serviceAccount(r, "acme-prod-271828", other), kubeconfig(r),
		"machine api.github.com\n  login deploy\n  password " + s(base62, 24) + "\n",
		"DB_HOST=localhost\nDB_USER=app\nDB_NAME=production\nDB_PASSWORD=" + s(base62, 20) + "\nLOG_LEVEL=debug\n",
	}
	all := make([]Secret, len(values))
	for i, v := range values {
		all[i] = Secret{fmt.Sprintf("SECRET_%d", i), v}
	}
	return all
}

func uuid(r *rand.Rand) string {
	h := of(r, hex16, 32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// token returns a JSON web token.
func token(r *rand.Rand) string {
	claims := fmt.Sprintf(`{"sub":"%s","iat":17%s}`, of(r, digits, 10), of(r, digits, 8))
	return "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + of(r, base62, 43)
}

func privateKey(r *rand.Rand) string {
	return pem(r, "PRIVATE KEY", "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", 1500)
}

// pem returns a block that starts as all of its type do.
func pem(r *rand.Rand, name, start string, size int) string {
	body := start + of(r, b64, size)
	var b strings.Builder
	fmt.Fprintf(&b, "-----BEGIN %s-----\n", name)
	for ; len(body) > 64; body = body[64:] {
		b.WriteString(body[:64] + "\n")
	}
	fmt.Fprintf(&b, "%s\n-----END %s-----\n", body, name)
	return b.String()
}

// serviceAccount returns the key file of a service account of Google Cloud.
func serviceAccount(r *rand.Rand, project string, key []byte) string {
	name := "deployer@" + project + ".iam.gserviceaccount.com"
	block := "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ" + base64.StdEncoding.EncodeToString(key) + "\n-----END PRIVATE KEY-----\n"
	doc, err := json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": project, "private_key_id": of(r, hex16, 40), "private_key": block,
		"client_email": name, "client_id": of(r, digits, 21), "auth_uri": "https://accounts.google.com/o/oauth2/auth",
		"token_uri": "https://oauth2.googleapis.com/token", "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
		"client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/" + strings.ReplaceAll(name, "@", "%40"), "universe_domain": "googleapis.com",
	}, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(doc) + "\n"
}

// kubeconfig returns the configuration of a client of Kubernetes.
func kubeconfig(r *rand.Rand) string {
	return "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://kubernetes.docker.internal:6443\n  name: production\n" +
		"contexts:\n- context:\n    cluster: production\n    user: admin\n  name: production\ncurrent-context: production\npreferences: {}\nusers:\n- name: admin\n  user:\n    token: " +
		of(r, base62, 48) + "\n"
}

package builtin

import (
	"bytes"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// labels are the names that tell a secret by themselves, then the general ones.
var labels = []label{
	{id: "aws-secret-key", keys: []string{"secret_access_key", "secretaccesskey", "secret-access-key", "secret access key", "secret.access.key", "aws_secret_key", "aws-secret-key"},
		accept: awsSecret, source: "docs.aws.amazon.com/IAM (access keys): 40 characters of base64",
		eg: `"SecretAccessKey": "hB3mV8sQe1Rt5YxW2nLc9Kp/4ZfGd+7UaTjO6iEb"`, no: "SecretAccessKey is in the console"},
	{id: "azure-key", keys: []string{"accountkey", "account_key", "sharedaccesskey", "shared_access_key", "storage_key", "storage-key", "storage.key", "storagekey", "storage key", "primarykey", "secondarykey"},
		accept: azureKey, source: "learn.microsoft.com/azure (connection strings): 32 or 64 bytes in base64",
		eg: "AccountKey=" + "pX2v8Lq0ZsT5nB7hJ4mK9wR3yC6dF1gV+aE/uIoQtPzXkNbMcSjHlGfDrWyUxO2i4T6e8Y0q1R3w5V7b9Nk3J5==", no: "AccountKeyName=RootManageSharedAccessKey"},
	{id: "key-value", keys: []string{"privatekey", "private_key", "private-key", "presharedkey", "preshared_key"},
		accept: curveKey, source: "wireguard.com/quickstart: 32 bytes in base64",
		eg: "PrivateKey = 8Kd3VtZq1hXy7RnB5sLw0cPj9GfMe2TuAo4iQxEzW6E=", no: "PrivateKey = /etc/wireguard/key"},
	{id: "npm-auth", keys: []string{"_authtoken", ":_auth", ":_password", "npmauthtoken"},
		accept: anyToken, source: "docs.npmjs.com/cli/configuring-npm/npmrc",
		eg: "//registry.example.com/:_authToken=0f6c2a9e-1b7d-4c35-8e42-d9a1b6f37c58", no: "//registry.example.com/:_authToken=${NPM_TOKEN}"},
	{id: "database-password", keys: []string{"pgpassword", "mysql_pwd", "mysql_root_password", "mysql_password", "postgres_password", "rediscli_auth", "mssql_sa_password", "sqlcmdpassword", "mongo_initdb_root_password"},
		accept: password, source: "postgresql.org/docs (libpq environment), mysql.com, redis.io, hub.docker.com",
		eg: "PGPASSWORD=t0rn-Beetle_9 psql", no: "PGPASSWORD=$DB_PASS psql"},
	{id: "docker-auth", keys: []string{`"auth":`, `\"auth\":`, `"identitytoken":`, `"registrytoken":`},
		accept: func(v []byte, c context) bool { return credential(v) || len(v) > 40 && random(v, 20) }, source: "docs.docker.com (config.json)",
		eg: `"auth": "Ym9iOnRvcm4tQmVldGxlXzk="`, no: `"auth": "none"`},
	{id: "authorization", keys: []string{"authorization", "proxy-authorization", "http_authorization"}, header: true,
		accept: headerValue, source: "RFC 9110, 11.6.2; RFC 7617; RFC 6750",
		eg: "Authorization: Basic Ym9iOnRvcm4tQmVldGxlXzk=", no: "Authorization: Bearer <token>"},
	{id: "bearer", keys: []string{"bearer ", "bearer%20", `bearer\u0020`, "bearer: "},
		accept: func(v []byte, c context) bool { return random(v, 12) && !dateLike(v) }, source: "RFC 6750",
		eg: "curl -H 'X-Auth: Bearer q7Zt4Vx9Lm2Rk8Wp'", no: "WWW-Authenticate: Bearer realm=x"},
	{id: "api-key-header", keys: []string{"x-api-key", "x-apikey", "x-auth-token", "x-access-token", "x-vault-token", "private-token", "job-token", "x-goog-api-key", "ocp-apim-subscription-key", "x-functions-key", "x-amz-security-token", "x-shopify-access-token", "circle-token", "x-gitlab-token", "dd-application-key", "x-authy-api-key", "api-key:", "x-subscription-token", "x-figma-token", "x-n8n-api-key", "x-rapidapi-key"},
		accept: anyToken, source: "the vendors' API references",
		eg: "X-Api-Key: 5f2b8c1d9e", no: "X-Api-Key: missing"},
	{id: "query-token", keys: []string{"access_token=", "token=", "auth_token=", "api_key=", "apikey=", "api-key=", "client_secret=", "password=", "refresh_token=", "id_token=", "private_token=", "secret=", "sharedkey="}, query: true,
		accept: anyToken, source: "RFC 6750, 2.3; RFC 6749",
		eg: "GET /v1/items?page=2&access_token=q7Zt4Vx9Lm2Rk8Wp", no: "GET /oauth?response_type=token&token=none"},
	{id: "azure-sas", keys: []string{"sig="}, query: true,
		accept: func(v []byte, c context) bool { return len(v) >= 43 && random(v, 40) }, source: "learn.microsoft.com/azure (shared access signatures)",
		eg: "https://a.blob.core.windows.net/c?sv=2023-11-03&sig=k7Qm%2B2vZxT9nLw4Rj8sBf1Yc6Hd3Pg5Ue0Ao7Ki%2Fq%3Dzz", no: "https://example.com/?sig=none"},
	{id: "datadog-key", keys: []string{"dd_api_key", "dd-api-key", "dd.api.key", "ddapikey", "dd_app_key", "datadog_api_key", "datadog_app_key", "datadogapikey"},
		accept: func(v []byte, c context) bool { return (len(v) == 32 || len(v) == 40) && isHex(v) }, source: "docs.datadoghq.com (API and application keys)",
		eg: "DD_API_KEY=4f1c9a7e2b8d5063e7f4a1c8b2d95e60", no: "DD_API_KEY=unset"},
	{id: "cloudflare-key", keys: []string{"cloudflare_api_token", "cloudflare_api_key", "cloudflareapitoken", "cloudflare-api-token", "cf_api_token", "cf_api_key"},
		accept: func(v []byte, c context) bool { return len(v) >= 37 && len(v) <= 60 && random(v, 37) }, source: "developers.cloudflare.com/fundamentals/api",
		eg: "CF_API_TOKEN=v7Kq2Zt9Lx4Rm8Wp1Yc6Hd3Pg5Ue0AoJi7Bn4SfT", no: "CF_API_TOKEN=unset"},
	{id: "secret-key-base", keys: []string{"secret_key_base", "secretkeybase", "secret-key-base", "secret key base", "secret.key.base"},
		accept: func(v []byte, c context) bool { return len(v) >= 40 && random(v, 40) }, source: "guides.rubyonrails.org (credentials)",
		eg: "SECRET_KEY_BASE=4f1c9a7e2b8d5063e7f4a1c8b2d95e604f1c9a7e2b8d5063e7f4a1c8b2d95e60", no: "SECRET_KEY_BASE=dummy"},
	{id: "airtable-token", keys: []string{"airtable"}, // "pat" is in every path: alone it is for balanced
		accept: func(v []byte, c context) bool { return len(v) == 82 && string(v[:3]) == "pat" && v[17] == '.' }, source: "airtable.com/developers (personal access tokens)",
		eg: "AIRTABLE_TOKEN=patQ7Zt4Vx9Lm2Rk8.4f1c9a7e2b8d5063e7f4a1c8b2d95e604f1c9a7e2b8d5063e7f4a1c8b2d95e60", no: "airtable: pattern"},
	{id: "netrc", keys: []string{"password "},
		accept: func(v []byte, c context) bool {
			return (bytes.Contains(c.before, []byte("login ")) || bytes.Contains(c.before, []byte("machine "))) && !c.strong && password(v, c)
		}, source: "the .netrc file format: gnu.org/software/inetutils",
		eg: "machine api.example.com login bob password t0rn-Beetle_9", no: "the login password is asked for"},

	{id: "password", tier: scan.Balanced, keys: []string{"password", "passwd", "passphrase", "passcode", "passwort"},
		accept: password, source: "names in use", eg: "db_password: t0rn-Beetle_9", no: "password: required"},
	{id: "pass", tier: scan.Balanced, keys: []string{"pass", "pwd"}, front: true,
		accept: func(v []byte, c context) bool {
			return c.strong && (c.right == "" || c.right[0] == '_') && c.named() && password(v, c)
		},
		source: "names in use", eg: "SMTP_PASS=t0rn-Beetle_9", no: "2 pass, 1 fail"},
	{id: "secret", tier: scan.Balanced, keys: []string{"secret", "credential", "creds"},
		accept: tokenValue, source: "names in use", eg: "client_secret=q7Zt4Vx9Lm2Rk8Wp", no: "secret: not found"},
	{id: "token", tier: scan.Balanced, keys: []string{"token", "jwt"},
		accept: tokenValue, source: "names in use", eg: "github_token: q7Zt4Vx9Lm2Rk8Wp", no: "total_tokens: 123456"},
	{id: "key", tier: scan.Balanced, keys: keyNames(),
		accept: tokenValue, source: "names in use", eg: "stripe_api_key = 'q7Zt4Vx9Lm2Rk8Wp'", no: "public_key: q7Zt4Vx9Lm2Rk8Wp"},
	{id: "any-key", tier: scan.Balanced, keys: []string{"_key", "-key", "_login"},
		accept: func(v []byte, c context) bool {
			return c.strong && random(v, 20) && bytes.IndexByte(v, '/') != 0 && tokenValue(v, c)
		},
		source: "names in use", eg: "HEROKU_KEY=5b1d7a52-8f0e-4c63-b9a4-0d2e6c71f358", no: "primary_key=5b1d7a52-8f0e-4c63-b9a4-0d2e6c71f358"},
	{id: "auth", tier: scan.Balanced, keys: []string{"auth"}, front: true,
		accept: func(v []byte, c context) bool { return c.strong && c.right == "" && tokenValue(v, c) },
		source: "names in use", eg: "redis_auth=q7Zt4Vx9Lm2Rk8Wp", no: "auth: basic"},
	{id: "credentials", tier: scan.Balanced, keys: []string{"invalid credentials", "invalid api key", "incorrect api key provided", "invalid token", "bad credentials"},
		accept: func(v []byte, c context) bool { return random(v, 10) }, source: "error messages of HTTP APIs",
		eg: `error: invalid credentials "q7Zt4Vx9Lm2Rk8Wp"`, no: "error: invalid credentials supplied"},
}

// keyNames are the names that end in key, in the usual spellings.
func keyNames() []string {
	var all []string
	for k := range strings.FieldsSeq("api access auth account encryption signing master license shared storage session webhook admin deploy app write ingest consumer subscription service age server integration private") {
		all = append(all, k+"_key", k+"-key", k+"key", k+" key", k+".key")
	}
	return all
}

// labelled returns the rules of the labels.
func labelled() []rule {
	var all []rule
	for _, l := range labels { // a copy: rule completes it
		all = append(all, l.rule())
	}
	return all
}

func awsSecret(v []byte, c context) bool {
	return len(v) == 40 && base64.run(v, 0) == 40 && random(v, 40)
}

func azureKey(v []byte, c context) bool {
	return (len(v) == 88 || len(v) == 86 || len(v) == 44) && base64.run(v, 0) == len(v) && random(v, 40)
}

func curveKey(v []byte, c context) bool {
	return len(v) == 44 && v[43] == '=' && base64.run(v, 0) == 44 && random(v, 40)
}

// anyToken is for names that leave no doubt: any value that is none of a word.
func anyToken(v []byte, c context) bool { return len(v) >= 8 && !stands(v) && !wordy(v) }

func headerValue(v []byte, c context) bool {
	return c.strong && (credential(v) || random(v, 12) && !dateLike(v))
}

// password judges the value of a name such as password.
func password(v []byte, c context) bool {
	if len(v) < 4 || stands(v) || c.quote == 0 && bytes.IndexByte(v, '.') > 0 && reference(v) || v[0] == '/' && wordy(v) || dateLike(v) && !c.tight {
		return false
	}
	if !c.strong {
		return random(v, 10) || len(v) >= 8 && symbols(v) >= 2 && !wordy(v)
	}
	if bytes.IndexByte(v, ' ') >= 0 {
		return false
	}
	return !isWord(v)
}

// symbols counts what is neither letter nor digit, dash, dot or slash.
func symbols(v []byte) int {
	n := 0
	for _, c := range v {
		if !isAlnum(c) && c != '-' && c != '.' && c != '_' && c != '/' && c != ':' && c != ',' {
			n++
		}
	}
	return n
}

// isWord: letters and dashes only, a code identifier, a path.
func isWord(v []byte) bool {
	for _, c := range v {
		if isDigit(c) || !isAlnum(c) && c != '-' && c != '_' && c != '.' && c != '/' && c != ':' {
			return false
		}
	}
	return wordy(v)
}

// tokenValue judges the value of a name such as token, secret or api_key.
func tokenValue(v []byte, c context) bool {
	if bytes.IndexByte(v, ' ') >= 0 || dateLike(v) || c.inPath() || c.quote == 0 && reference(v) {
		return false
	}
	if c.strong {
		return random(v, 8)
	}
	return random(v, 14)
}

// inPath reports whether the name is a piece of something longer: an ARN.
func (c context) inPath() bool {
	b := c.before[:len(c.before)-len(c.left)]
	return len(b) > 0 && (b[len(b)-1] == ':' || b[len(b)-1] == '/')
}

// named reports whether a short keyword is the name of a value and no word of a
// sentence or of code: DB_PASS, --pass, "pass".
func (c context) named() bool {
	if c.left != "" {
		return true
	}
	n := len(c.before)
	return n == 0 || c.before[n-1] == '"' || c.before[n-1] == '\'' || c.line && c.tight
}

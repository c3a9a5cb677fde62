package builtin

import (
	"bytes"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// strictRules are on at strict only: what is a secret in some hands and noise in
// others.
func strictRules() []rule {
	return []rule{
		{scan.Rule{ // RFC 6265
			ID: "cookie", Keywords: []string{"set-cookie:", "cookie:", `set-cookie":`, `cookie":`}, Fold: true, After: true, Need: 1024, Tier: scan.Strict,
		}, findCookie},
		{scan.Rule{ // docs.aws.amazon.com/AmazonS3 (presigned URLs)
			ID: "url-signature", Keywords: []string{"X-Amz-Signature=", "X-Goog-Signature=", "Signature=", "&signature="}, After: true, Need: 80,
			Max: 2048, Swallow: signature.has, Tier: scan.Strict,
		}, findSignature},
		{scan.Rule{ // crypt(5)
			ID: "crypt-hash", Keywords: []string{"$1$", "$5$", "$6$", "$y$", "$2a$", "$2b$", "$2y$", "$7$", "$apr1$", "$argon2", "{SSHA}", "{SHA}", "$pbkdf2", "$scrypt"}, Need: 40,
			Max: 512, Swallow: crypt.has, Tier: scan.Strict,
		}, findCrypt},
		{scan.Rule{ // any long run that looks drawn at random
			ID: "high-entropy", Keywords: entropyKeys(), Fold: true, After: true, Need: 512, Tier: scan.Strict,
		}, findEntropy},
	}
}

var (
	signature = newSet("a-zA-Z0-9%+/=_-")
	crypt     = newSet("a-zA-Z0-9./$=,+_-")
)

func findCookie(w []byte, at int, final bool) ([]scan.Span, int) {
	i := at + bytes.IndexByte(w[at:], ':') + 1
	var spans []scan.Span
	set := fold(w[at]) == 's'
	for j := i; ; {
		end := j
		for end < len(w) && w[end] != ';' && w[end] != '\n' && w[end] != '\r' && w[end] != '"' && w[end] != '\'' {
			end++
		}
		if end == len(w) && !final && len(w)-at < 1024 {
			return wait(hold(spans, i)), more
		}
		if k := bytes.IndexByte(w[j:end], '='); k >= 0 && end-j-k-1 >= 8 {
			if v := w[j+k+1 : end]; !wordy(v) && !stands(v) {
				spans = append(spans, scan.Span{Start: j + k + 1, End: end})
			}
		}
		if end == len(w) || w[end] != ';' || set {
			return spans, end + 1
		}
		j = end + 1
	}
}

func findSignature(w []byte, at int, final bool) ([]scan.Span, int) {
	i := at + bytes.IndexByte(w[at:], '=') + 1
	end := signature.run(w, i)
	if end-i < 32 {
		return wait(i), unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: i, End: end, Open: end == len(w) && !final}}, i + 32
}

func findCrypt(w []byte, at int, final bool) ([]scan.Span, int) {
	from := at
	if w[at] == '{' {
		from = at + bytes.IndexByte(w[at:], '}') + 1
	}
	end := crypt.run(w, from)
	if end-at < 30 {
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, at + 30
}

// entropyKeys are the names after which strict masks anything random, beside the
// labels of the other levels.
func entropyKeys() []string {
	return strings.Fields("client api app access account auth user sonar snyk gitlab bitbucket twilio telegram slack discord facebook twitter linkedin dropbox datadog newrelic sentry okta cloudflare heroku digitalocean algolia airtable asana atlassian jira confluence artifactory npm pypi docker mailgun mailchimp sendgrid stripe square paypal shopify plaid etsy zendesk intercom hubspot dynatrace grafana launchdarkly looker mapbox nytimes netlify rapidapi sumo travis twitch typeform yandex password key= key: _key session nonce hash salt seed")
}

func findEntropy(w []byte, at int, final bool) ([]scan.Span, int) {
	i := at
	for i < len(w) && (word[w[i]] || w[i] == '-' || w[i] == '.') && i-at < 64 {
		i++
	}
	if i == len(w) && !final {
		return wait(i), more
	}
	g := parseGap(w, i, final)
	if g.more {
		return wait(g.end), more
	}
	if g.end == i || !g.strong && !g.tag {
		return nil, g.end + 1
	}
	end, cut := parseValue(w, g, false, false, final)
	if cut && len(w)-at < 512 {
		return wait(g.end), more
	}
	v := w[g.end:end]
	if g.quote == 0 {
		v = trim(v)
	}
	if !random(v, 10) || dateLike(v) {
		return nil, end + 1
	}
	return []scan.Span{{Start: g.end, End: g.end + len(v)}}, end + 1
}

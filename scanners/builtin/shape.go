package builtin

import (
	"bytes"
	b64 "encoding/base64"
	"slices"

	"github.com/opaquevault/ov/core/scan"
)

// structural returns the detectors of what has a structure of its own.
func structural() []rule {
	return slices.Concat(jwtRules(), pemRules(), urlRules(), kubeRules(), tokenShapes())
}

// tokenShapes are tokens whose literal stands in the middle.
func tokenShapes() []rule {
	return []rule{
		{scan.Rule{ // core.telegram.org/bots/api: id, colon, 35 characters that start with AA
			ID: "telegram-token", Keywords: []string{":AA", "%3AAA", "%3aAA"}, Before: 10, Behind: 1, Need: 6 + 33,
			Max: 256, Swallow: dashed.has, Tier: scan.Precise,
			Lead: func(b []byte) int { return digitRun(b, 10) },
		}, findTelegram},
		{scan.Rule{ // developer.hashicorp.com/terraform/cloud-docs: 14 characters, .atlasv1., 60 to 70
			ID: "terraform-token", Keywords: []string{".atlasv1."}, Before: 14, Behind: 2, Need: 9 + 40,
			Max: 256, Swallow: padded.has, Tier: scan.Precise, Lead: oddRun,
		}, func(w []byte, at int, final bool) ([]scan.Span, int) { return around(w, at, 9, 40, padded, final) }},
		{scan.Rule{ // learn.microsoft.com/entra: 3 characters, a digit, Q~, 31 to 34
			ID: "azure-client-secret", Keywords: []string{"0Q~", "1Q~", "2Q~", "3Q~", "4Q~", "5Q~", "6Q~", "7Q~", "8Q~", "9Q~"},
			Behind: 3, Need: 3 + 31, Max: 64, Swallow: azureBody.has, Tier: scan.Precise,
		}, findAzureSecret},
		{scan.Rule{ // mailchimp.com/developer: 32 hex, -us and the data center
			ID: "mailchimp-key", Keywords: []string{"-us"}, Before: 32, Behind: 1, Need: 5, Tier: scan.Precise,
			Lead: func(b []byte) int { return hexRun(b, 32) },
		}, findMailchimp},
		{scan.Rule{ // github.com/google/google-authenticator/wiki/Key-Uri-Format
			ID: "otpauth-secret", Keywords: []string{"otpauth://", "otpauth%3A%2F%2F"}, After: true, Need: 512,
			Max: scan.MaxWindow, Swallow: base32.has, Tier: scan.Precise,
		}, findOTP},
		{scan.Rule{ // curl(1), wget(1): -u user:password
			ID: "curl-user", Keywords: []string{"-u ", "--user ", "-u'", `-u"`, "--user=", "--proxy-user "}, After: true, Behind: 200, Need: 256, Tier: scan.Precise,
		}, findCurlUser},
		{scan.Rule{ // discord.com/developers/docs/reference: the bot's id in base64, 6, 27 to 38
			ID: "discord-bot-token", Keywords: snowflakes(), Behind: behind, Need: 28 + 1 + 6 + 1 + 27,
			Max: 256, Swallow: dashed.has, Tier: scan.Precise,
		}, findDiscord},
		{scan.Rule{ // learn.microsoft.com/purview (Azure DevOps tokens): 76, AZDO, 4
			ID: "azure-devops-token", Keywords: []string{"AZDO"}, Before: 76, Behind: 1, Need: 4 + 4 + 1, Tier: scan.Precise, Lead: oddRun,
		}, func(w []byte, at int, final bool) ([]scan.Span, int) { return signed(w, at, 60, 4, final) }},
		{scan.Rule{ // github.com/microsoft/security-utilities: 52, JQQJ99, 26
			ID: "azure-key-annotated", Keywords: []string{"JQQJ99"}, Before: 52, Behind: 1, Need: 6 + 26, Max: 256, Swallow: alnum.has, Tier: scan.Precise, Lead: oddRun,
		}, func(w []byte, at int, final bool) ([]scan.Span, int) { return signed(w, at, 40, 26, final) }},
		{scan.Rule{ // facebook app tokens: developers.facebook.com/docs/facebook-login
			ID: "openai-signature", Keywords: []string{"T3BlbkFJ"}, Before: 20, Behind: 1, Need: 28,
			Max: 256, Swallow: dashed.has, Tier: scan.Precise, Lead: oddRun,
		}, func(w []byte, at int, final bool) ([]scan.Span, int) { return around(w, at, 8, 20, dashed, final) }},
	}
}

var azureBody = newSet("a-zA-Z0-9_.~-")

// digitRun returns how many digits b ends in, most at most.
func digitRun(b []byte, most int) int {
	n := 0
	for n < len(b) && n < most && isDigit(b[len(b)-1-n]) {
		n++
	}
	return n
}

// hexRun returns how many hex digits b ends in, from the first figure on.
func hexRun(b []byte, most int) int {
	i := len(b)
	for i > 0 && len(b)-i < most && lowHex[b[i-1]] {
		i--
	}
	for i < len(b) && !isDigit(b[i]) {
		i++
	}
	return len(b) - i
}

// oddRun returns how many letters and digits b ends in, from where they stop to
// look like a word: the first figure, or a capital within. A prompt is not held.
func oddRun(b []byte) int {
	i := len(b)
	for i > 0 && isAlnum(b[i-1]) {
		i--
	}
	for ; i < len(b); i++ {
		if isDigit(b[i]) || isUpper(b[i]) && i > 0 && isLower(b[i-1]) {
			break
		}
	}
	return len(b) - i
}

// signed takes a token with a signature in it: least letters and digits of disorder
// before the keyword, and tail of them after.
func signed(w []byte, at, least, tail int, final bool) ([]scan.Span, int) {
	if oddRun(w[:at]) < least {
		return nil, at
	}
	key := 4
	if w[at] == 'J' {
		key = 6
	}
	end := alnum.run(w, at+key)
	if end-at-key < tail {
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at - oddRun(w[:at]), End: end}}, at + key + tail + 1
}

// snowflakes are how a number of 17 to 19 digits begins in base64.
func snowflakes() []string {
	var all []string
	for n := 10; n < 100; n++ {
		all = append(all, b64.StdEncoding.EncodeToString([]byte{byte('0' + n/10), byte('0' + n%10), '0'})[:3])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func findDiscord(w []byte, at int, final bool) ([]scan.Span, int) {
	if !boundary(w, at) {
		return nil, at
	}
	id := alnum.run(w, at)
	switch n := id - at; {
	case id == len(w) && !final && n <= 28:
		return nil, more
	case n < 22 || n > 28 || id == len(w) || w[id] != '.':
		return nil, min(id, at+28) + 1
	}
	d, err := b64.RawStdEncoding.DecodeString(string(w[at:id]))
	if err != nil || digit.run(d, 0) != len(d) {
		return nil, id + 1
	}
	stamp := dashed.run(w, id+1)
	switch {
	case stamp == len(w) && !final && stamp-id-1 <= 7:
		return nil, more
	case stamp-id-1 < 5 || stamp-id-1 > 7 || stamp == len(w) || w[stamp] != '.':
		return nil, id + 9
	}
	end := dashed.run(w, stamp+1)
	if end-stamp-1 < 27 {
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, stamp + 28
}

// around takes the odd run before a literal of n bytes and the body after it.
func around(w []byte, at, n, least int, body *set, final bool) ([]scan.Span, int) {
	end := body.run(w, at+n)
	if end-at-n < least {
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at - oddRun(w[:at]), End: end, Open: end == len(w) && !final}}, at + n + least
}

func findTelegram(w []byte, at int, final bool) ([]scan.Span, int) {
	n := digitRun(w[:at], 10)
	key := bytes.Index(w[at:], []byte("AA"))
	end := dashed.run(w, at+key)
	switch {
	case n < 8 || at-n > 0 && isDigit(w[at-n-1]):
		return nil, at
	case end-at-key < 33:
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at - n, End: end, Open: end == len(w) && !final}}, at + key + 33
}

func findAzureSecret(w []byte, at int, final bool) ([]scan.Span, int) {
	if at < 3 || !azureBody[w[at-1]] {
		return nil, at
	}
	end := azureBody.run(w, at+3)
	if end-at-3 < 31 {
		return nil, unless(end == len(w) && !final, end+1)
	}
	return []scan.Span{{Start: at, End: end, Open: end == len(w) && !final}}, at + 3 + 31
}

func findMailchimp(w []byte, at int, final bool) ([]scan.Span, int) {
	n := 0
	for n < at && n < 33 && lowHex[w[at-1-n]] {
		n++
	}
	if n != 32 {
		return nil, at
	}
	end := digit.run(w, at+3)
	if end == len(w) && !final && end-at < 5 {
		return nil, more
	}
	if end == at+3 {
		return nil, end + 1
	}
	return []scan.Span{{Start: at - hexRun(w[:at], 32), End: end}}, end + 1
}

// findOTP finds secret= in an otpauth URL.
func findOTP(w []byte, at int, final bool) ([]scan.Span, int) {
	for i := at; i < len(w); i++ {
		c := w[i]
		if c <= ' ' || c == '"' || c == '\'' || c == '<' || c == '`' {
			return nil, i + 1
		}
		if c|0x20 != 's' {
			continue
		}
		for _, key := range []string{"secret=", "secret%3D"} {
			if len(w)-i < len(key) || !bytes.EqualFold(w[i:i+len(key)], []byte(key)) {
				continue
			}
			from := i + len(key)
			end := alnum.run(w, from)
			if end == len(w) && !final && len(w)-at < 512 {
				return wait(from), more
			}
			if end-from < 8 {
				return nil, end + 1
			}
			return []scan.Span{{Start: from, End: end, Open: end == len(w) && !final}}, end + 1
		}
	}
	return wait(len(w)), unless(!final && len(w)-at < 512, len(w))
}

// findCurlUser finds user:password after -u in a command of curl or wget.
func findCurlUser(w []byte, at int, final bool) ([]scan.Span, int) {
	if !bytes.Contains(w[:at], []byte("curl")) && !bytes.Contains(w[:at], []byte("wget")) && !bytes.Contains(w[:at], []byte("http ")) {
		return nil, at
	}
	i := at + 2
	for i < len(w) && (isLetter(w[i]) || w[i] == '-') {
		i++
	}
	quote := byte(0)
	for i < len(w) && (w[i] == ' ' || w[i] == '=' || w[i] == '\'' || w[i] == '"') {
		if w[i] == '\'' || w[i] == '"' {
			quote = w[i]
		}
		i++
	}
	colon := -1
	for j := i; j < len(w); j++ {
		c := w[j]
		if c == ':' && colon < 0 {
			colon = j + 1
		}
		if c == '\n' || quote != 0 && c == quote || quote == 0 && (isSpace(c) || c == '"' || c == '\'') {
			return userPassword(w, colon, j)
		}
	}
	if !final && len(w)-at < 256 {
		return wait(max(i, colon)), more
	}
	return userPassword(w, colon, len(w))
}

func userPassword(w []byte, colon, end int) ([]scan.Span, int) {
	if colon < 0 || end-colon < 3 || stands(w[colon:end]) || isPlaceholderWord(w[colon:end]) || w[end-1] == '>' || digit.run(w, colon) == end && end-colon < 6 {
		return nil, end + 1
	}
	return []scan.Span{{Start: colon, End: end}}, end + 1
}

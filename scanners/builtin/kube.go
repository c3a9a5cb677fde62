package builtin

import (
	"bytes"
	"strings"

	"github.com/opaquevault/ov/core/scan"
)

// maxManifest bounds the data of a Kubernetes Secret that is held.
const maxManifest = 4096

// kubeRules find the values under data: of a Secret, in YAML as kubectl prints it
// (kind after data) or as it is written (kind before), and in JSON.
// Source: kubernetes.io/docs/concepts/configuration/secret.
func kubeRules() []rule {
	return []rule{{scan.Rule{
		ID: "kubernetes-secret", Keywords: []string{"\ndata:", "\nstringData:", `"data": {`, `"data":{`, `"stringData": {`}, After: true,
		Behind: scan.MaxBehind, Need: maxManifest, Tier: scan.Precise,
	}, findManifest}}
}

func findManifest(w []byte, at int, final bool) ([]scan.Span, int) {
	full := final || len(w)-at >= maxManifest
	if w[at] == '"' {
		return findJSONData(w, at, full)
	}
	i := at + 1 + bytes.IndexByte(w[at+1:], ':') + 1
	var spans []scan.Span
	end, closed := len(w), false
	for at := i; at < len(w); {
		stop := bytes.IndexByte(w[at:], '\n')
		line := w[at:]
		if stop >= 0 {
			line = w[at : at+stop]
		}
		if at > i && len(line) > 0 && line[0] != ' ' && line[0] != '\t' && line[0] != '\r' {
			end, closed = at, true
			break
		}
		if s, ok := entry(line, at); ok {
			spans = append(spans, s)
		}
		if stop < 0 {
			break
		}
		at += stop + 1
	}
	kind := bytes.Contains(w[:at], []byte("kind: Secret"))
	if !kind && closed {
		rest := w[end:]
		kind = bytes.HasPrefix(rest, []byte("kind: Secret"))
		if !kind && !full && (len(rest) < 12 && bytes.HasPrefix([]byte("kind: Secret"), rest) || bytes.HasPrefix(rest, []byte("immutable"))) {
			return wait(hold(spans, len(w))), more
		}
	}
	if !closed && !full {
		return wait(hold(spans, i)), more
	}
	if !kind {
		return nil, end + 12
	}
	return spans, end + 12
}

// hold returns where the first value starts.
func hold(spans []scan.Span, otherwise int) int {
	if len(spans) > 0 {
		return spans[0].Start
	}
	return otherwise
}

// entry finds the value of "  key: dmFsdWU=".
func entry(line []byte, at int) (scan.Span, bool) {
	i := bytes.IndexByte(line, ':')
	if i < 0 || len(line) == 0 || line[0] != ' ' && line[0] != '\t' {
		return scan.Span{}, false
	}
	from := i + 1
	for from < len(line) && (line[from] == ' ' || line[from] == '"' || line[from] == '\'') {
		from++
	}
	end := len(bytes.TrimRight(line, " \r\"'"))
	if end-from < 4 || stands(line[from:end]) {
		return scan.Span{}, false
	}
	return scan.Span{Start: at + from, End: at + end}, true
}

// findJSONData finds the values of "data": {...} next to "kind": "Secret".
func findJSONData(w []byte, at int, full bool) ([]scan.Span, int) {
	i := at + bytes.IndexByte(w[at:], '{') + 1
	end := bytes.IndexByte(w[i:], '}')
	if end < 0 {
		if !full {
			return wait(i), more
		}
		end = len(w) - i
	}
	tail := w[i+end:]
	secret := func(b []byte) bool {
		return strings.Contains(strings.ReplaceAll(string(b), " ", ""), `"kind":"Secret"`)
	}
	if !secret(w[:at]) && !secret(tail[:min(len(tail), 64)]) {
		return wait(i), unless(!full && len(tail) < 64, i+end+64)
	}
	var spans []scan.Span
	quotes := 0
	start := 0
	for j := i; j < i+end; j++ {
		if w[j] != '"' {
			continue
		}
		quotes++
		switch quotes % 4 {
		case 3:
			start = j + 1
		case 0:
			if j-start >= 4 {
				spans = append(spans, scan.Span{Start: start, End: j})
			}
		}
	}
	return spans, i + end + 64
}

package host

import (
	"slices"
	"strings"
)

// passed is what every provider may see of the host's environment: where
// things are, which certificates to trust, which proxy to use.
var passed = []string{
	"PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy",
}

// environment picks from env (KEY=value) the variables that every provider
// gets and those that this one was granted. OV_* and the variables that make a
// program load code are never passed, granted or not.
func environment(env, granted []string) []string {
	var out []string
	for _, kv := range env {
		key, _, ok := strings.Cut(kv, "=")
		if !ok || forbidden(key) {
			continue
		}
		if slices.Contains(passed, key) || slices.Contains(granted, key) || strings.HasPrefix(key, "LC_") {
			out = append(out, kv)
		}
	}
	return out
}

func forbidden(key string) bool {
	return strings.HasPrefix(key, "OV_") || strings.HasPrefix(key, "LD_") || strings.HasPrefix(key, "DYLD_") ||
		strings.HasPrefix(key, "PLUGIN_") || key == "GODEBUG"
}

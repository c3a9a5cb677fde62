#!/usr/bin/env bash
# Puts in place what the import tests use and we did not write: GNOME Keyring
# and D-Bus (Debian packages), Prism and dotenv (npm, into $1), with "real" as
# $2 Doppler's command line as well. Says what it could not get; under CI=true
# that is a failure.
set -uo pipefail
tools=${1:?usage: import-tools.sh FOLDER [real]}
missing=()

keyring() { command -v dbus-daemon >/dev/null && command -v gnome-keyring-daemon >/dev/null; }
debian() { apt-get install -y --no-install-recommends dbus gnome-keyring >/dev/null 2>&1; }
npm_has() { [ -e "$tools/node_modules/@stoplight/prism-cli" ] && [ -e "$tools/node_modules/dotenv" ]; }

if ! keyring && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	debian || { apt-get update >/dev/null 2>&1; debian; }
fi
keyring || missing+=("dbus and gnome-keyring")

mkdir -p "$tools"
if ! npm_has && command -v npm >/dev/null; then
	npm install --prefix "$tools" --no-audit --no-fund @stoplight/prism-cli@5.14.2 dotenv@17.2.3 >/dev/null 2>&1
fi
npm_has || missing+=("prism and dotenv of npm")

if [ "${2:-}" = real ] && [ ! -x "$tools/cli" ]; then
	GOBIN=$tools go install github.com/DopplerHQ/cli@v0.5.11-0.20230908185655-7aef4713e1a4 >/dev/null 2>&1 || missing+=("doppler")
fi

for m in "${missing[@]:-}"; do
	[ -z "$m" ] || echo "import tools: no $m: the tests that need it are skipped"
done
[ "${#missing[@]}" = 0 ] || [ "${CI:-}" != true ]

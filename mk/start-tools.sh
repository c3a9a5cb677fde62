#!/usr/bin/env bash
# Builds the tools that `make bench-start` measures beside ov run into FOLDER: what
# the Go module proxy, npm and Debian have of them. Says what it could not get.
set -uo pipefail
tools=${1:?usage: start-tools.sh FOLDER}
mkdir -p "$tools"
unset GOFLAGS
export CGO_ENABLED=0 GOBIN=$tools
missing=()
have() { [ -x "$tools/$1" ]; }

have sops || nice go install github.com/getsops/sops/v3/cmd/sops@v3.13.3 >/dev/null 2>&1 || missing+=(sops)
have godotenv || nice go install github.com/joho/godotenv/cmd/godotenv@v1.5.1 >/dev/null 2>&1 || missing+=(godotenv)
if ! have doppler; then # its main package has the module's name
	nice go install github.com/DopplerHQ/cli@v0.5.11-0.20230908185655-7aef4713e1a4 >/dev/null 2>&1 && mv "$tools/cli" "$tools/doppler" || missing+=(doppler)
fi
have age-keygen || go install filippo.io/age/cmd/age-keygen@v1.3.2 >/dev/null 2>&1 || missing+=(age-keygen)
if ! [ -e "$tools/node_modules/.bin/dotenvx" ]; then
	npm install --prefix "$tools" --no-audit --no-fund dotenv-cli@11.0.0 @dotenvx/dotenvx@2.38.2 >/dev/null 2>&1 || missing+=("dotenv-cli and dotenvx")
fi
if ! have direnv; then
	if command -v direnv >/dev/null; then
		ln -sf "$(command -v direnv)" "$tools/direnv"
	elif (cd "$tools" && apt-get download -qq direnv >/dev/null 2>&1 && dpkg-deb -x direnv_*.deb "$tools/debian"); then
		ln -sf "$tools/debian/usr/bin/direnv" "$tools/direnv"
	else
		missing+=(direnv)
	fi
fi
for m in "${missing[@]:-}"; do
	[ -z "$m" ] || echo "start tools: no $m: it is not in the table"
done

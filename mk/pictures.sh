#!/usr/bin/env bash
# Draws the terminal pictures of the guides from real sessions, into
# docs/pictures. Needs util-linux' script; run after `make build`.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
export OV_HOME=$work/home OV_PASSWORD_FILE=$work/password HOME=$work PATH=$PWD/bin:$PATH TERM=xterm-256color GIT_CONFIG_GLOBAL=/dev/null
unset OV_APP OV_ENV OV_PASSWORD OV_PASSWORD_COMMAND NO_COLOR
trap 'ov agent stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
(umask 077 && head -c 24 /dev/urandom | base64 >"$OV_PASSWORD_FILE")
mkdir -p docs/pictures
here=$PWD
go build -o "$work/picture" ./mk/picture
draw() { # NAME SCRIPT: what the script shows on a terminal of 110 columns
	(cd "$work" && script -qec "stty cols 110 rows 40; $2" /dev/null) | sed 's/\^@//g' | "$work/picture" >"$here/docs/pictures/$1.svg"
}
prompt() { printf "printf '\\\\033[1m\$ %%s\\\\033[0m\\\\n' %q; %s\n" "$1" "$1"; }

ov vault init --kit "$work/kit" >/dev/null 2>&1
ov unlock 2>/dev/null
printf %s 'sk_test_4eC39HqLyjWDarjtT1zdp7dc' | ov secret set STRIPE_KEY --stdin 2>/dev/null
ov secret set SESSION_KEY --generate=48 2>/dev/null
git -C "$work" init -q repo
for n in 1 2 3; do
	git -C "$work/repo" -c user.name=Ann -c user.email=ann@example.com commit -q --allow-empty -m "Call the shop with sk_test_4eC39HqLyjWDarjtT1zdp7dc ($n)"
done

draw run "$(prompt 'ov run -- sh -c '"'"'echo "key: $STRIPE_KEY"; printf "user:%s" "$STRIPE_KEY" | base64; printf %s "$SESSION_KEY" | od -An -tx1 | head -2'"'"; prompt 'ov run -- git -C repo log --oneline --color=always'; prompt 'ov run -- ls --color=always -d repo kit'; prompt 'ov audit show -n 2')"
draw doctor "$(prompt 'ov doctor --all')"
mkdir "$work/app"
printf 'region = "eu-central-1"\naccess_key = "AKIA%s"\n' "$(head -c 99 /dev/urandom | base32 | tr -dc A-Z2-7 | head -c 16)" >"$work/app/config.toml"
printf 'STRIPE_KEY=sk_test_4eC39HqLyjWDarjtT1zdp7dc\n' >"$work/app/.env"
draw scan "$(prompt 'ov scan app'; prompt 'ov scan --vault app')"

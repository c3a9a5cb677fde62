#!/usr/bin/env bash
# What ov does: `make demo`. It asks nothing, touches nothing outside of a temp folder and cleans up.
set -euo pipefail
bin=$(cd "$(dirname "$0")/../bin" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ov-demo-XXXXXX")
export OV_HOME=$work/home OV_PASSWORD_FILE=$work/password PATH=$bin:$PATH
unset OV_APP OV_ENV OV_PASSWORD OV_PASSWORD_COMMAND
trap 'ov agent stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ]; then bold=$(tput bold) dim=$(tput dim) plain=$(tput sgr0) || true; fi
say() { printf '\n%s# %s%s\n' "$dim" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$bold" "$1" "$plain"; }

(umask 077 && head -c 24 /dev/urandom | base64 >"$OV_PASSWORD_FILE")

say "A throw-away vault. Its password is random and sits in a file of mode 0600."
show "ov vault init --kit recovery-kit.txt"
ov vault init --kit recovery-kit.txt
ov unlock

say "Two secrets. The first is made here and now; nobody has ever seen it."
show "ov secret set API_KEY --generate=40"
ov secret set API_KEY --generate=40
show "ov secret set DATABASE_URL --stdin   # postgres://app:...@db.example.com/shop"
printf 'postgres://app:%s@db.example.com/shop\n' "$(head -c 15 /dev/urandom | base64 | tr -d '+/=')" | ov secret set DATABASE_URL --stdin

cat >deploy.sh <<'EOF'
echo "key:       $API_KEY (${#API_KEY} characters, so it really is there)"
echo "in base64: $(printf %s "$API_KEY" | base64 -w0)"
echo "in hex:    $(printf %s "$API_KEY" | od -An -tx1 | tr -d ' \n')"
echo "in a header: Authorization: Basic $(printf 'user:%s' "$API_KEY" | base64 -w0)"
echo "error: cannot connect to $DATABASE_URL" >&2
exit 3
EOF
say "A careless script prints them: plain, in base64, in hex, in a header and in an error."
show "cat deploy.sh"
cat deploy.sh
say "With ov around it, the script has the secrets and you, or your coding agent, see this:"
show "ov run -- sh deploy.sh"
status=0
ov run -- sh deploy.sh >stdout 2>stderr || status=$?
cat stdout; cat stderr
show 'echo $?   # the script'"'"'s own status'
echo "$status"

say "Every use is on record, before anything was decrypted."
show "ov audit show -n 2"
ov audit show -n 2

say "Nothing of it is left on disk in the clear: the two values, searched for in the vault and in what came back."
show 'ov run -- sh -c '"'"'grep -rF -e "$API_KEY" -e "$DATABASE_URL" home stdout stderr || echo "not found"'"'"
ov run -- sh -c 'grep -rF -e "$API_KEY" -e "$DATABASE_URL" home stdout stderr || echo "not found"'

# The demo is a test as well: it fails when it does not show what it says.
test "$status" = 3
test "$(grep -c 'REDACTED:API_KEY' stdout)" = 4
grep -q 'cannot connect to \[REDACTED:DATABASE_URL\]' stderr
say "Done; the vault, its password and the agent are gone again."

#!/usr/bin/env bash
# Tries what `make release` has put into dist/ as somebody would who has nothing
# but the file: the archive in an empty folder with an empty home, the
# completions in the shells that are here, the packages' contents; as root on
# Debian with debootstrap also the package in a new system. Usage: mk/release-try.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD dist=$(realpath "${1:-dist}")
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
step() { printf '%5.1f s  %s\n' "$(($(date +%s%N) / 1000000 - began))e-3" "$1"; began=$(($(date +%s%N) / 1000000)); }
fail() { echo "release-try: $*" >&2; exit 1; }
began=$(($(date +%s%N) / 1000000))

(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
step "checksums"

arch=$(dpkg --print-architecture 2>/dev/null || go env GOARCH)
tar -C "$work" -xzf "$dist"/ov_*_linux_"$arch".tar.gz
bin=$(echo "$work"/ov_*_linux_"$arch")
mkdir "$work/home" "$work/app"
printf 'a password for a try\n' >"$work/password"
chmod 600 "$work/password"
stranger() { (cd "$work/app" && env -i HOME="$work/home" PATH="$bin:/usr/bin:/bin" OV_PASSWORD_FILE="$work/password" "$@"); }
stranger ov | grep -q 'Start with:' || fail "ov alone does not say what to do"
stranger ov doctor >"$work/said" && fail "ov doctor finds a vault"
grep -q 'fix: ov vault init' "$work/said" || fail "ov doctor: $(cat "$work/said")"
grep -q 'find ov-' "$work/said" && fail "siblings are not found"
stranger ov init 2>/dev/null
stranger ov vault init --kit "$work/kit" 2>/dev/null
stranger ov secret set API_KEY --generate 2>/dev/null
[ "$(stranger ov run -- sh -c 'echo $API_KEY' 2>/dev/null)" = "[REDACTED:API_KEY]" ] || fail "ov run"
stranger ov version --json | grep -q '"version": "v' || fail "ov version --json"
stranger ov mcp list >/dev/null
stranger ov provider list >/dev/null
stranger ov agent stop 2>/dev/null
step "the archive, unpacked: ov, doctor, init, vault init, secret set, run, version, siblings"

mkdir -p "$here/bin"
ln -s "$bin" "$work/bin" && mkdir "$work/mk" && cp mk/demo.sh "$work/mk/"
bash "$work/mk/demo.sh" >/dev/null
step "the demo with these programs"

bash --norc -c '. "$1"; complete -p ov' - "$bin/completions/ov.bash" >/dev/null || fail "bash completion"
! command -v zsh >/dev/null || zsh -f -c 'fpath=($1 $fpath); autoload -Uz compinit; compinit -u -d $2; [[ $_comps[ov] = _ov ]]' - "$bin/completions" "$work/zcompdump" || fail "zsh completion"
! command -v fish >/dev/null || PATH=$bin:$PATH fish -c 'source $argv[1]; complete -C "ov secret li"' "$bin/completions/ov.fish" | grep -q ^list || fail "fish completion"
for page in "$bin"/man/*.gz; do zcat "$page" | grep -q '^\.SH NAME' || fail "$page"; done
! command -v mandoc >/dev/null || (cd "$bin/man" && gunzip -k ov*.gz && mandoc -Tlint -W warning ov*.1) || fail "manual pages"
! command -v ruby >/dev/null || ruby -c "$dist/ov.rb" >/dev/null || fail "formula"
step "completions, manual pages, formula"

if [ "$(id -u)" = 0 ] && command -v debootstrap >/dev/null; then
	root=$work/root
	debootstrap --variant=minbase bookworm "$root" >/dev/null 2>&1
	cp "$dist"/ov_*_"$arch".deb "$root/ov.deb"
	chroot "$root" sh -c 'dpkg -i /ov.deb >/dev/null && useradd -m ann && mkdir -p /opt/mk && ln -s /usr/bin /opt/bin'
	cp mk/demo.sh "$root/opt/mk/"
	mount -t proc proc "$root/proc"
	chroot "$root" su ann -c 'bash /opt/mk/demo.sh' >/dev/null || { umount "$root/proc"; fail "the demo in a new system"; }
	umount "$root/proc"
	chroot "$root" sh -c 'dpkg -r ov >/dev/null && ! ls /usr/bin/ov* 2>/dev/null' || fail "the package leaves something behind"
	step "the Debian package in a new system: installed, demo, removed"
fi

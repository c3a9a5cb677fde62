#!/usr/bin/env bash
# Puts the compilers of the scanner SDKs in place: clang and lld, rustc with a
# wasm32 library (Debian packages), AssemblyScript (npm, into $1). Says what it
# could not get; under CI=true that is a failure.
set -uo pipefail
tools=${1:?usage: scanner-tools.sh FOLDER}
missing=()

debian() { # PACKAGE... : as root on Debian only
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 ||
		{ apt-get update >/dev/null 2>&1 && apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1; }
}

rust() { # some rustc has the library of wasm32
	local r
	for r in rustc /usr/bin/rustc; do
		[ -d "$("$r" --print sysroot 2>/dev/null)/lib/rustlib/wasm32-unknown-unknown/lib" ] && return 0
	done
	return 1
}

asc() { [ -x "$tools/node_modules/.bin/asc" ]; }

{ command -v clang && command -v wasm-ld; } >/dev/null || debian clang lld || missing+=("clang and lld")
rust || { debian rustc libstd-rust-dev-wasm32 && rust; } || missing+=("rustc with wasm32-unknown-unknown")
asc || { command -v npm >/dev/null && mkdir -p "$tools" && npm install --prefix "$tools" --no-audit --no-fund assemblyscript@0.28 >/dev/null 2>&1 && asc; } ||
	missing+=("assemblyscript")

for m in "${missing[@]:-}"; do
	[ -z "$m" ] || echo "scanner tools: no $m: its SDK is tested on the committed module only"
done
[ "${#missing[@]}" = 0 ] || [ "${CI:-}" != true ]

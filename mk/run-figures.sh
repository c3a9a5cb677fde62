#!/usr/bin/env bash
# What ov run costs: CPU of a large output through a pipeline beside the same pipeline with one more cat, memory, and the start of
# a command that does nothing. Usage: mk/run-figures.sh BIN [MiB]. Makes a vault of its own and removes it.
set -euo pipefail
bin=$(realpath "${1:?the folder with ov}"); mib=${2:-512}
work=$(mktemp -d); export OV_HOME=$work/home OV_PASSWORD_FILE=$work/pw
trap '"$bin/ov" agent stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
cd "$work"
head -c 24 /dev/urandom | base64 >pw
"$bin/ov" vault init --kit kit >/dev/null 2>&1
"$bin/ov" unlock >/dev/null 2>&1
printf '#!/bin/sh\nprintf "\\n[loosen]\\nknown_only = true\\n" >>"$1"\n' >editor; chmod +x editor # --level known is the policy's to allow
EDITOR=$work/editor "$bin/ov" policy edit >/dev/null 2>&1
for i in $(seq 100); do head -c 24 /dev/urandom | base64 | "$bin/ov" secret set "S$i" --stdin 2>/dev/null; done
line='2026-01-02T03:04:05.678Z INFO  request id=8f14e45f path=/api/v1/items status=200 bytes=5120 duration=12.3ms agent="curl/8.5"'
yes "$line" 2>/dev/null | head -c "${mib}M" >log || true # yes ends by a broken pipe
cat log >/dev/null

cpu() { # median of 3, CPU seconds of a whole pipeline, children included
	for _ in 1 2 3; do
		TIMEFORMAT='%U %S'
		{ time bash -c "$1" >/dev/null 2>&1; } 2>&1 | awk '{ printf "%.3f\n", $1 + $2 }'
	done | sort -n | sed -n 2p
}
plain=$(cpu 'cat log | cat | cat')
for flags in '--level known' ''; do
	with=$(cpu "$bin/ov run $flags -- cat log | cat")
	awk -v f="${flags:-as it comes}" -v a="$with" -v b="$plain" -v m="$mib" 'BEGIN {
		printf "%d MiB, 100 secrets, %-28s %.2f s CPU; cat | cat | cat %.2f s; ratio %.2f\n", m, f, a, b, a / b }'
done
for size in 1 "$mib"; do
	/usr/bin/time -f "peak memory of ov run, $size MiB: %M KiB" "$bin/ov" run -- head -c "${size}M" log 2>&1 >/dev/null | tail -1
done

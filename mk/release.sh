#!/usr/bin/env bash
# Builds what people install, into dist/: archives for six systems, Debian and
# RPM packages, a Homebrew formula, completions, manual pages, a list of what is
# in it (SBOM) and checksums. It builds the commit, not the folder: from a clone
# of its own, so that the same commit gives the same bytes wherever it is
# checked out. Usage: mk/release.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
nfpm_version=v2.43.0

for tool in git go tar gzip zip sha256sum; do
	command -v "$tool" >/dev/null || { echo "release: $tool is needed" >&2; exit 1; }
done
git rev-parse -q --verify HEAD >/dev/null || { echo "release: this is no git clone: there is no commit to build" >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || echo "release: changes that are not committed are left out" >&2

umask 022 # packages hold the modes of files as they are in the clone
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q . "$work/ov"
cd "$work/ov"

export CGO_ENABLED=0 GOFLAGS='' GOWORK=off LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

rm -rf "$dist"
share=$work/share
mkdir -p "$dist" "$share/man" "$share/completions" "$share/docs"
build() { # OS ARCH FOLDER
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -ldflags "-s -w -buildid=" -o "$3/" ./cmd/...
}
stamp() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# Pages, completions and the version come from the program itself.
host=$work/build/$(go env GOOS)_$(go env GOARCH)
build "$(go env GOOS)" "$(go env GOARCH)" "$host"
"$host/ov" man "$share/man"
gzip -9 -n "$share"/man/*.1
"$host/ov" completion bash >"$share/completions/ov.bash"
"$host/ov" completion zsh >"$share/completions/_ov"
"$host/ov" completion fish >"$share/completions/ov.fish"
"$host/ov" completion powershell >"$share/completions/ov.ps1"
cp -r docs/. "$share/docs/"
export VERSION
VERSION=$("$host/ov" version --json | sed -n 's/.*"version": "v\(.*\)".*/\1/p')
[ -n "$VERSION" ] || { echo "release: the programs do not know their version" >&2; exit 1; }

for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
	os=${target%/*} arch=${target#*/}
	folder=$work/build/${os}_$arch
	[ "$folder" = "$host" ] || build "$os" "$arch" "$folder"
	name=ov_${VERSION}_${os}_$arch
	mkdir -p "$work/pack/$name"
	cp -r "$folder"/. "$share/man" "$share/completions" "$share/docs" README.md LICENSE "$work/pack/$name/"
	chmod -R u=rwX,go=rX "$work/pack/$name" # whatever the umask
	stamp "$work/pack/$name"
	if [ "$os" = windows ]; then
		(cd "$work/pack" && find "$name" | sort | zip -q -X -@ "$dist/$name.zip")
	else
		tar -C "$work/pack" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9 -n >"$dist/$name.tar.gz"
	fi
	go run ./mk/sbom "$folder"/ov* >"$dist/$name.sbom.json"
done

chmod -R u=rwX,go=rX "$work/build" "$share"
for arch in amd64 arm64; do
	for kind in deb rpm; do
		ARCH=$arch BUILD=$work/build/linux_$arch SHARE=$share \
			go run "github.com/goreleaser/nfpm/v2/cmd/nfpm@$nfpm_version" package -f mk/nfpm.yaml -p $kind -t "$dist/" >/dev/null
	done
done

cp "$share"/completions/* "$dist/"
tar -C "$share" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - man | gzip -9 -n >"$dist/ov_${VERSION}_man.tar.gz"
sha() { sha256sum "$dist/$1" | cut -d' ' -f1; }
. mk/formula.sh >"$dist/ov.rb"
(cd "$dist" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
(cd "$dist" && ls -l --time-style=+ | awk 'NF > 2 { printf "%10d %s\n", $5, $6 }')

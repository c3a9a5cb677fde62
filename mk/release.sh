#!/usr/bin/env bash
# Builds what people install, into dist/: archives for six systems, Debian and
# RPM packages, a Homebrew formula, completions, manual pages, a list of what is
# in it (SBOM) and checksums. The same commit gives the same bytes, wherever it
# is checked out. Usage: mk/release.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
nfpm_version=v2.43.0

export CGO_ENABLED=0 LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

tag=$(git describe --tags --exact-match 2>/dev/null || true)
export VERSION; VERSION=${tag#v}
[ -n "$VERSION" ] || VERSION=0.0.0-snapshot.$(git rev-parse --short=12 HEAD)

rm -rf "$dist"
mkdir -p "$dist/build" "$dist/share/man" "$dist/share/completions"
build() { # OS ARCH FOLDER
	GOOS=$1 GOARCH=$2 go build -trimpath -buildvcs=true -ldflags "-s -w -buildid=" -o "$3/" ./cmd/...
}
stamp() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# Pages and completions come from the program itself.
go run -tags man ./cmd/ov man "$dist/share/man"
gzip -9 -n "$dist"/share/man/*.1
host=$dist/build/$(go env GOOS)_$(go env GOARCH)
build "$(go env GOOS)" "$(go env GOARCH)" "$host"
"$host/ov" completion bash >"$dist/share/completions/ov.bash"
"$host/ov" completion zsh >"$dist/share/completions/_ov"
"$host/ov" completion fish >"$dist/share/completions/ov.fish"
"$host/ov" completion powershell >"$dist/share/completions/ov.ps1"

for target in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do
	os=${target%/*} arch=${target#*/}
	folder=$dist/build/${os}_$arch
	[ "$folder" = "$host" ] || build "$os" "$arch" "$folder"
	name=ov_${VERSION}_${os}_$arch
	mkdir -p "$dist/pack/$name"
	cp -r "$folder"/. "$dist/share/man" "$dist/share/completions" README.md docs/LICENSE "$dist/pack/$name/"
	stamp "$dist/pack/$name"
	if [ "$os" = windows ]; then
		(cd "$dist/pack" && find "$name" | sort | zip -q -X -@ "$dist/$name.zip")
	else
		tar -C "$dist/pack" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9 -n >"$dist/$name.tar.gz"
	fi
	go run ./mk/sbom "$folder"/ov* >"$dist/$name.sbom.json"
done

for arch in amd64 arm64; do
	for kind in deb rpm; do
		ARCH=$arch BUILD=$dist/build/linux_$arch SHARE=$dist/share \
			go run "github.com/goreleaser/nfpm/v2/cmd/nfpm@$nfpm_version" package -f mk/nfpm.yaml -p $kind -t "$dist/" >/dev/null
	done
done

sum() { sha256sum "$dist/$1" | cut -d' ' -f1; }
base=https://github.com/opaquevault/ov/releases/download/v$VERSION
cat >"$dist/ov.rb" <<RUBY
class Ov < Formula
  desc "Run commands with secrets; no trace of them comes back"
  homepage "https://github.com/opaquevault/ov"
  version "$VERSION"
  license "Apache-2.0"

$(for os in darwin linux; do
	echo "  on_$([ $os = darwin ] && echo macos || echo linux) do"
	for arch in arm64 amd64; do
		file=ov_${VERSION}_${os}_$arch.tar.gz
		echo "    on_$([ $arch = arm64 ] && echo arm || echo intel) do"
		echo "      url \"$base/$file\""
		echo "      sha256 \"$(sum "$file")\""
		echo "    end"
	done
	echo "  end"
done)

  def install
    bin.install Dir["ov", "ov-*"]
    man1.install Dir["man/*.1.gz"]
    bash_completion.install "completions/ov.bash" => "ov"
    zsh_completion.install "completions/_ov"
    fish_completion.install "completions/ov.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/ov version")
  end
end
RUBY
rm -rf "$dist/pack"
(cd "$dist" && sha256sum ov_* ov.rb *.deb *.rpm 2>/dev/null | sort -k2 -u >SHA256SUMS)
(cd "$dist" && ls -l --time-style=+ ov* SHA256SUMS | awk '{print $5, $6}')

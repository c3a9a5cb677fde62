# Prints the Homebrew formula; mk/release.sh sources this, with VERSION and sha.
base=https://github.com/opaquevault/ov/releases/download/v$VERSION
cat <<RUBY
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
		echo "      sha256 \"$(sha "$file")\""
		echo "    end"
	done
	echo "  end"
	[ $os = linux ] || echo
done)

  def install
    bin.install Dir["ov", "ov-*"]
    man1.install Dir["man/*.1.gz"]
    bash_completion.install "completions/ov.bash" => "ov"
    zsh_completion.install "completions/_ov"
    fish_completion.install "completions/ov.fish"
    pwsh_completion.install "completions/ov.ps1" => "_ov.ps1"
    doc.install "README.md", "docs"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/ov version")
    assert_match "in order", shell_output("OV_HOME=#{testpath}/ov #{bin}/ov doctor", 1)
  end
end
RUBY

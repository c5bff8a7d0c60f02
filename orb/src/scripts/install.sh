#!/usr/bin/env bash
# Installs psk from its release archive, once its checksum and, where cosign is present, its signature are seen to be
# right.
set -euo pipefail

version=${PSK_VERSION:?}
base=${PSK_BASE_URL:?}
home=${PSK_HOME:-$HOME/.psk}

if [[ ! $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
  echo "psk: ${version@Q} is not a version such as 1.2.3" >&2
  exit 2
fi

add_to_path() {
  if [[ -n ${BASH_ENV:-} ]]; then
    # shellcheck disable=SC2016 # the variable is for the shell that reads this
    printf 'export PATH=%q:"$PATH"\n' "$home/bin" >> "$BASH_ENV"
  fi
  if [[ -n ${GITHUB_PATH:-} ]]; then
    echo "$home/bin" >> "$GITHUB_PATH"
  fi
}

if [[ -x $home/bin/psk && $("$home/bin/psk" --version 2> /dev/null) == "psk $version" ]]; then
  echo "psk $version is here already"
  add_to_path
  exit 0
fi

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) target=x86_64-unknown-linux-musl ;;
  Linux-aarch64 | Linux-arm64) target=aarch64-unknown-linux-musl ;;
  *)
    echo "psk: there is no release for $(uname -s) on $(uname -m): build it with cargo" >&2
    exit 2
    ;;
esac

archive="psk-$version-$target.tar.gz"
directory=$(mktemp -d)
trap 'rm -rf -- "$directory"' EXIT
cd "$directory"
fetch() {
  curl --fail --silent --show-error --location --retry 3 --output "$1" "$base/v$version/$1"
}

fetch "$archive"
fetch SHA256SUMS
if ! grep -F "  $archive" SHA256SUMS > wanted; then
  echo "psk: SHA256SUMS says nothing of $archive" >&2
  exit 1
fi
if ! sha256sum --check --status wanted; then
  echo "psk: $archive isn't the one that SHA256SUMS means: nothing was installed" >&2
  exit 1
fi
if command -v cosign > /dev/null; then
  fetch SHA256SUMS.bundle
  cosign verify-blob --bundle SHA256SUMS.bundle \
    --certificate-identity-regexp '^https://github\.com/ThoughtWorks-DPS/psk/\.github/workflows/release\.yml@refs/tags/' \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com \
    SHA256SUMS
fi

mkdir -p "$home/bin"
tar -xzf "$archive"
# In its place at once, so that no other step finds half of it.
mv -f "psk-$version-$target/psk" "$home/bin/.psk.new"
chmod 755 "$home/bin/.psk.new"
mv -f "$home/bin/.psk.new" "$home/bin/psk"
echo "installed psk $version in $home/bin"
add_to_path

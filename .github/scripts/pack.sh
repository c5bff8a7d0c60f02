#!/usr/bin/env bash
# Packs a built psk with its completions and manual pages: pack.sh TARGET VERSION. The archive is the same, byte for
# byte, for the same content.
set -euo pipefail

target=$1
version=$2
name="psk-$version-$target"
binary="target/$target/release/psk"

mkdir -p "dist/$name/completions" "dist/$name/man"
install -m 755 "$binary" "dist/$name/psk"
for shell in bash zsh fish elvish powershell; do
  "$binary" completions "$shell" > "dist/$name/completions/psk.$shell"
done
"$binary" man --dir "dist/$name/man"
cp LICENSE README.md CHANGELOG.md "dist/$name/"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='UTC 2020-01-01' -C dist -cf - "$name" \
  | gzip -9n > "dist/$name.tar.gz"
rm -r "dist/$name"
